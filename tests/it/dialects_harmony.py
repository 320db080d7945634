"""Messages of replies, one JSON list of tokens' texts a line, as openai-harmony reads and writes them."""
import json
import os
import pathlib
import shutil
import sys
import sysconfig
import tempfile

# The vocabulary comes with another package, under the digest of its address.
packages = pathlib.Path(sysconfig.get_paths()["purelib"])
source = packages / "litellm/litellm_core_utils/tokenizers/fb374d419588a4632f3f557e76b4b70aebbca790"
folder = tempfile.mkdtemp()
shutil.copy(source, pathlib.Path(folder) / "o200k_base.tiktoken")
os.environ["TIKTOKEN_ENCODINGS_BASE"] = folder

from openai_harmony import Author, Conversation, HarmonyEncodingName, Message, Role, load_harmony_encoding

encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
shutil.rmtree(folder)


def read(text):
    try:
        tokens = encoding.encode(text, allowed_special="all")
        messages = encoding.parse_messages_from_completion_tokens(tokens, Role.ASSISTANT)
    except Exception as error:
        return {"error": type(error).__name__}
    return {
        "messages": [
            {
                "role": message.author.role.value,
                "channel": message.channel,
                "recipient": message.recipient,
                "content_type": message.content_type,
                "text": "".join(part.text for part in message.content),
            }
            for message in messages
        ]
    }


def rendered():
    """A conversation as the library writes it."""
    call = Message.from_role_and_content(Role.ASSISTANT, '{"a": 1}').with_channel("commentary")
    call = call.with_recipient("functions.f").with_content_type("<|constrain|>json")
    result = Message.from_author_and_content(Author.new(Role.TOOL, "functions.f"), "done").with_channel("commentary")
    thought = Message.from_role_and_content(Role.ASSISTANT, "hm").with_channel("analysis")
    question = Message.from_role_and_content(Role.USER, "go")
    turns = Conversation.from_messages([question, thought, call, result.with_recipient("assistant")])
    return encoding.decode(encoding.render_conversation_for_completion(turns, Role.ASSISTANT))


texts = json.load(sys.stdin)
print(json.dumps({"read": [read(text) for text in texts], "written": rendered()}))
