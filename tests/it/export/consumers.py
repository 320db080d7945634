"""Loads exported folders as a user of datasets and TRL would. Arguments: TARGET=FOLDER."""

import json
import os
import re
import sys

import datasets
import trl
from datasets import load_dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from trl import data_utils

datasets.disable_progress_bars()
TEMPLATES = os.path.join(os.path.dirname(trl.__file__), "chat_templates")
# Names that GRPOTrainer itself gives to reward functions.
TAKEN = {"prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric", "environments"}


def tokenizer(template):
    """A byte-level BPE without merges: nothing is downloaded."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", bos_token="<s>")
    with open(os.path.join(TEMPLATES, template + ".jinja"), encoding="utf-8") as file:
        made.chat_template = file.read()
    return made


def bare(value):
    """Without the nulls that arrow fills in for keys that a row does not have."""
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [bare(item) for item in value]
    return value


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def same(loaded, written, where):
    assert len(loaded) == len(written), where
    for n in range(len(written)):
        assert bare(loaded[n]) == bare(written[n]), f"{where}: row {n}:\n{loaded[n]}\n{written[n]}"


def no_null(feature, where):
    assert "null" not in str(feature), f"{where}: {feature}"
    assert "timestamp" not in str(feature), f"{where}: {feature}"


def load(folder):
    """Both ways: the folder by its card, and each file by itself. Gives the rows by configuration."""
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    with open(os.path.join(folder, "features.json"), encoding="utf-8") as file:
        features = json.load(file)
    out = {}
    for config in sorted({file["config"] for file in manifest["files"]}):
        whole = load_dataset(folder, config)
        for file in (file for file in manifest["files"] if file["config"] == config):
            path = os.path.join(folder, file["name"])
            written = lines(path)
            split = whole[file["split"]]
            no_null(split.features, path)
            assert split.features == datasets.Features.from_dict(features[config]), path
            same(split, written, path)
            alone = load_dataset("json", data_files=path, split="train")
            same(alone, written, path + " alone")
            out.setdefault(config, []).extend(split)
    return out


def calls(messages):
    return [call["function"] for message in messages for call in message.get("tool_calls") or []]


def check_hermes(text, wanted):
    """Calls in the form of Qwen 2.5 and 3: JSON between tags."""
    found = re.findall(r"<tool_call>\n(\{.*?\})\n</tool_call>", text, re.S)
    # The system prompt of the template shows the form once.
    found = [json.loads(call) for call in found if "<function-name>" not in call]
    assert [(call["name"], call["arguments"]) for call in found] == wanted, (found, wanted)


def check_glm(text, wanted):
    for name, arguments in wanted:
        assert "<tool_call>" + name in text, text
        for key, value in arguments.items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            assert f"<arg_key>{key}</arg_key>\n<arg_value>{shown}</arg_value>" in text, text


CHECKS = {"qwen3": check_hermes, "qwen2_5": check_hermes, "glm4moe": check_glm}


def render(messages, tools, template):
    made = tokenizer(template)
    example = {"messages": bare(messages)}
    assert data_utils.is_conversational(example)
    text = data_utils.maybe_apply_chat_template(example, made, tools=tools or None)["text"]
    for message in messages:
        if message["role"] != "assistant" or "<think>" not in message["content"]:
            assert message["content"].strip() in text, (template, message, text)
    wanted = [(call["name"], call["arguments"]) for call in calls(messages)]
    CHECKS[template](text, wanted)


def sft(rows):
    for row in rows:
        for template in CHECKS:
            render(row["messages"], row["tools"], template)
    # The trainer's own template marks what is learned; a row without such a token would raise there.
    made = tokenizer("qwen3_training")
    row = bare(rows[0])
    marked = made.apply_chat_template(
        row["messages"], tools=row["tools"] or None, return_dict=True, return_assistant_tokens_mask=True
    )
    assert sum(marked["assistant_masks"]) > 0


def dpo(rows):
    made = tokenizer("qwen3")
    for row in rows:
        example = {key: bare(row[key]) for key in ("prompt", "chosen", "rejected")}
        assert data_utils.maybe_extract_prompt(example) == example
        text = data_utils.maybe_apply_chat_template(example, made, tools=row["tools"] or None)
        assert text["chosen"] != text["rejected"] and text["chosen"] and text["rejected"]
        assert row["chosen"][-1]["content"].strip() in text["prompt"] + text["chosen"]
        implicit = {key: example["prompt"] + example[key] for key in ("chosen", "rejected")}
        assert data_utils.extract_prompt(implicit) == example
        assert row["pair_kind"] in ("outcome", "format")


def grpo(by_config):
    made = tokenizer("qwen3")
    for row in by_config["default"]:
        assert not TAKEN & set(row), set(row) & TAKEN
        example = {"prompt": bare(row["prompt"])}
        assert data_utils.is_conversational(example)
        text = data_utils.maybe_apply_chat_template(example, made)["prompt"]
        assert text.endswith("<|im_start|>assistant\n"), text[-60:]
    for row in by_config["groups"]:
        assert row["k"] == len(row["completions"]) == len(row["rewards"]) == len(row["outcome_ok"])
        for completion in row["completions"]:
            example = {"prompt": bare(row["prompt"]), "completion": bare(completion)}
            assert data_utils.maybe_apply_chat_template(example, made, tools=row["tools"] or None)["completion"]


def sharegpt(rows):
    """The rules of LLaMA-Factory's loader, which skips what breaks them with no more than a warning."""
    for row in rows:
        turns = row["conversations"]
        turns = turns[1:] if turns[0]["from"] == "system" else turns
        assert len(turns) % 2 == 0
        for n, turn in enumerate(turns):
            assert turn["from"] in (("human", "observation"), ("gpt", "function_call"))[n % 2], turns
            if turn["from"] == "function_call":
                call = json.loads(re.sub(r"^<think>.*?</think>\s*", "", turn["value"], flags=re.S))
                assert isinstance((call[0] if isinstance(call, list) else call)["arguments"], dict)
        assert isinstance(row["tools"], str) and (row["tools"] == "" or json.loads(row["tools"]))


def openai(rows):
    allowed = {
        "system": {"role", "content"},
        "user": {"role", "content"},
        "assistant": {"role", "content", "tool_calls", "weight"},
        "tool": {"role", "content", "tool_call_id"},
    }
    for row in (bare(row) for row in rows):
        assert set(row) <= {"messages", "tools", "parallel_tool_calls"}
        assert row["messages"][-1]["role"] == "assistant"
        for message in row["messages"]:
            assert set(message) <= allowed[message["role"]], message
        for function in calls(row["messages"]):
            assert isinstance(json.loads(function["arguments"]), dict)


for word in sys.argv[1:]:
    target, folder = word.split("=", 1)
    loaded = load(folder)
    if target == "trl-grpo":
        grpo(loaded)
    else:
        rules = {"trl-sft": sft, "trl-dpo": dpo, "sharegpt": sharegpt, "openai-sft": openai}
        rows = loaded["default"]
        # Templates on thousands of rows would prove no more.
        rules[target](rows if len(rows) < 100 else rows[:20])
    print("well:", word)
print("all is well")
