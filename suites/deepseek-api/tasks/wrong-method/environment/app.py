"""Greets by way of a DeepSeek model."""
from deepseek import DeepSeekAPI


def main():
    # The key is read from DEEPSEEK_API_KEY.
    client = DeepSeekAPI()
    print(client.generate(prompt="Greet me in one sentence.", model="deepseek-chat"))


main()
