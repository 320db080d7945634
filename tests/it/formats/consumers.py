"""Loads what convert wrote with the models of those who consume it: consumers.py FORMAT FILE… (one record a line)."""

import json
import sys
from collections.abc import Iterator

from pydantic import TypeAdapter


def consumed(value):
    """Pydantic checks iterables only when they are walked."""
    if isinstance(value, dict):
        return {key: consumed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) or isinstance(value, Iterator) or type(value).__name__ == "ValidatorIterator":
        return [consumed(item) for item in value]
    return value


# What is lazy needs its adapter as long as it is walked.
ADAPTERS = {}


def check(kind, value):
    name = str(kind)
    if name not in ADAPTERS:
        ADAPTERS[name] = TypeAdapter(kind)
    adapter = ADAPTERS[name]
    consumed(adapter.validate_python(value))


def openai_chat(record):
    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam

    for message in record["messages"]:
        check(ChatCompletionMessageParam, message)
    for tool in record.get("tools", []):
        check(ChatCompletionToolUnionParam, tool)


def openai_responses(record):
    from openai.types.responses import ResponseInputItemParam, ToolParam

    for item in record["input"]:
        check(ResponseInputItemParam, item)
    for tool in record.get("tools", []):
        # The client demands two keys that the API makes itself.
        check(ToolParam, {"strict": None, "parameters": None, **tool})


def anthropic(record):
    from anthropic.types import MessageParam, TextBlockParam, ToolUnionParam

    for message in record["messages"]:
        check(MessageParam, message)
    if isinstance(record.get("system", ""), list):
        check(list[TextBlockParam], record["system"])
    for tool in record.get("tools", []):
        check(ToolUnionParam, tool)


def gemini(record):
    from google.genai import types

    for content in record["contents"]:
        types.Content.model_validate(content)
    if "systemInstruction" in record:
        types.Content.model_validate(record["systemInstruction"])
    for tool in record.get("tools", []):
        types.Tool.model_validate(tool)


def atif(record):
    from harbor.models.trajectories import Trajectory

    Trajectory.model_validate(record)


def main():
    load = {
        "openai-chat": openai_chat,
        "openai-responses": openai_responses,
        "anthropic": anthropic,
        "gemini": gemini,
        "atif": atif,
    }[sys.argv[1]]
    count = 0
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    load(json.loads(line))
                except Exception as error:
                    sys.exit(f"{sys.argv[1]}: {path}:{number}: {error}")
                count += 1
    print(f"{sys.argv[1]}: all is well with {count}")


main()
