"""Runs the real parsers and encoders on texts that the test hands in.

Standard input: {"tools": [...], "texts": {runtime: [text, ...]}, "calls": [{"id", "name", "arguments"}]}.
Standard output: {"readings": {runtime: [result, ...]}, "mistral": {version: text}}. A result is
{"content", "calls": [[name, arguments]]} or {"error": class}. The packages' own __init__ files are left out: they
load far more than the parsers need.
"""

import json
import logging
import os
import sys
import sysconfig
import tempfile
import types

SITE = sysconfig.get_paths()["purelib"]


def package(name, **members):
    """A package without its __init__, whose modules are found all the same."""
    module = types.ModuleType(name)
    module.__path__ = [os.path.join(SITE, *name.split("."))]
    module.__dict__.update(members)
    sys.modules[name] = module
    return module


class Tool:
    """What the detectors read of a tool."""

    type = "function"

    def __init__(self, name, parameters):
        self.function = types.SimpleNamespace(name=name, parameters=parameters)


class Off:
    @staticmethod
    def get():
        return False


def sglang(tools):
    for name in ["sglang", "sglang.srt", "sglang.srt.entrypoints", "sglang.srt.entrypoints.openai"]:
        package(name)
    package("sglang.srt.function_call")
    package("sglang.srt.entrypoints.openai.protocol", Tool=Tool, ToolChoice=object)
    package("sglang.srt.environ", envs=types.SimpleNamespace(SGLANG_FORWARD_UNKNOWN_TOOLS=Off))
    from sglang.srt.function_call.hermes_detector import HermesDetector
    from sglang.srt.function_call.llama32_detector import Llama32Detector
    from sglang.srt.function_call.mistral_detector import MistralDetector
    from sglang.srt.function_call.pythonic_detector import PythonicDetector
    from sglang.srt.function_call.qwen25_detector import Qwen25Detector
    from sglang.srt.function_call.qwen3_coder_detector import Qwen3CoderDetector

    known = [Tool(tool["name"], tool["parameters"]) for tool in tools]

    def reader(detector):
        def read(text):
            found = detector().detect_and_parse(text, known)
            calls = [[call.name, json.loads(call.parameters)] for call in found.calls]
            return {"content": found.normal_text, "calls": calls}

        return read

    return {
        "sglang-hermes": reader(HermesDetector),
        "sglang-qwen25": reader(Qwen25Detector),
        "sglang-llama3": reader(Llama32Detector),
        "sglang-pythonic": reader(PythonicDetector),
        "sglang-mistral": reader(MistralDetector),
        "sglang-mistral-v11": reader(MistralDetector),
        "sglang-qwen3-coder": reader(Qwen3CoderDetector),
    }


def swe_agent():
    package("sweagent")
    package("sweagent.agent")
    package("sweagent.agent.commands", Command=object)
    from sweagent.agent import parsing

    def reader(parser):
        def read(text):
            # Older versions read the text, newer ones an object.
            thought, action = parser(text, [])
            return {"content": thought, "calls": [["bash", {"command": action}]]}

        return read

    return {
        "swe-agent-thought-action": reader(parsing.ThoughtActionParser()),
        "swe-agent-xml": reader(parsing.XMLThoughtActionParser()),
    }


def mini_swe_agent():
    for name in ["minisweagent", "minisweagent.models", "minisweagent.models.utils"]:
        package(name)
    package("minisweagent.models.utils.openai_multimodal", expand_multimodal_content=None)
    from minisweagent.models.utils.actions_text import parse_regex_actions

    def reader(pattern):
        def read(text):
            actions = parse_regex_actions(text, action_regex=pattern, format_error_template="{{error}}")
            return {"content": text, "calls": [["bash", action] for action in actions]}

        return read

    # The patterns of its configurations: defaults of version 2, the XML configuration, version 1.
    return {
        "mini-swe-agent-v2": reader(r"```mswea_bash_command\s*\n(.*?)\n```"),
        "mini-swe-agent-xml": reader(r"<mswea_bash_command>(.*?)</mswea_bash_command>"),
        "mini-swe-agent-v1": reader(r"```bash\s*\n(.*?)\n```"),
    }


def react():
    from langchain_classic.agents.output_parsers.react_single_input import ReActSingleInputOutputParser

    def read(text):
        found = ReActSingleInputOutputParser().parse(text)
        if hasattr(found, "tool"):
            return {"content": None, "calls": [[found.tool, {"input": found.tool_input}]]}
        return {"content": found.return_values["output"], "calls": []}

    return {"langchain-react": read}


def mistral(calls):
    """The calls as the encoders of each version write them."""
    import mistral_common
    from mistral_common.protocol.instruct.messages import AssistantMessage, ToolMessage, UserMessage
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.protocol.instruct.tool_calls import FunctionCall, ToolCall
    from mistral_common.tokens.tokenizers.base import SpecialTokens
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    data = os.path.join(os.path.dirname(mistral_common.__file__), "data")
    with open(os.path.join(data, "tekken_240911.json")) as file:
        vocabulary = json.load(file)
    special = [
        {"rank": rank, "token_str": token.value, "is_control": True} for rank, token in enumerate(SpecialTokens)
    ]
    texts = {}
    for version in ["v3", "v7", "v11", "v13"]:
        changed = dict(vocabulary, config=dict(vocabulary["config"], version=version))
        if version not in ("v3", "v7"):
            changed["special_tokens"] = special
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tekken.json")
            with open(path, "w") as file:
                json.dump(changed, file)
            tokenizer = MistralTokenizer.from_file(path)
        made = [
            ToolCall(
                id=call["id"],
                function=FunctionCall(name=call["name"], arguments=json.dumps(call["arguments"])),
            )
            for call in calls
        ]
        results = [
            ToolMessage(content="line 1\nline 2", tool_call_id=call["id"], name=call["name"]) for call in calls
        ]
        messages = [UserMessage(content="hi"), AssistantMessage(content=None, tool_calls=made), *results]
        texts[version] = tokenizer.encode_chat_completion(ChatCompletionRequest(messages=messages)).text
    return texts


def tried(read, text):
    try:
        return read(text)
    except Exception as error:
        return {"error": type(error).__name__}


def main():
    logging.disable(logging.CRITICAL)
    given = json.load(sys.stdin)
    readers = {**sglang(given["tools"]), **swe_agent(), **mini_swe_agent(), **react()}
    readings = {
        runtime: [tried(readers[runtime], text) for text in texts] for runtime, texts in given["texts"].items()
    }
    json.dump({"readings": readings, "mistral": mistral(given["calls"]) if given["calls"] else {}}, sys.stdout)


main()
