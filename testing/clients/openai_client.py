"""The official openai client against a running server whose provider is the scripted one of the tests.

    python openai_client.py URL KEY

Prints `ok NAME` for each expectation. Before it ends a stream early it prints `cancelling`, afterwards `cancelled`, and then
keeps its connections open until its standard input closes, so that it is not its end that cuts them.
"""

import sys

import openai

ANSWER = "word1 word2 word3 word4 word5"


def ask(text):
    return {"model": "scripted-one", "messages": [{"role": "user", "content": text}]}


def main():
    url, key = sys.argv[1:]
    client = openai.OpenAI(base_url=f"{url}/api", api_key=key, max_retries=0, timeout=20)

    names = [model.id for model in client.models.list()]
    assert names == ["scripted-one", "scripted-two"], names
    print("ok models", flush=True)

    whole = client.chat.completions.create(**ask("Whole [[tokens=5]]"))
    assert whole.choices[0].message.content == ANSWER, whole
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens == 5
    print("ok completion", flush=True)

    stream = client.chat.completions.create(
        **ask("Streamed [[tokens=5 reasoning=2 tool=look_up]]"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == ANSWER, chunks
    assert sum(1 for delta in deltas if delta.content) == 5, "each delta of the provider is passed on"
    assert [delta.reasoning_content for delta in deltas if hasattr(delta, "reasoning_content")] == ["thought1", " thought2"]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    assert calls[0].function.name == "look_up" and calls[0].id == "call_1", calls
    assert "".join(call.function.arguments or "" for call in calls) == '{"place":"Bern"}', calls
    assert chunks[-1].usage.completion_tokens == 5, chunks[-1]
    print("ok stream", flush=True)

    try:
        client.chat.completions.create(**ask("Failing [[fail=429]]"))
    except openai.RateLimitError as error:
        assert "told to fail with 429" in str(error), error
        assert error.code == "scripted", error.code
    else:
        raise AssertionError("the provider's error was lost")
    try:
        client.chat.completions.create(**ask("Failing stream [[fail=500]]"), stream=True)
    except openai.InternalServerError as error:
        assert "told to fail with 500" in str(error), error
    else:
        raise AssertionError("the provider's error was lost")
    print("ok error", flush=True)

    try:
        for _ in client.chat.completions.create(**ask("Dying [[tokens=9 die=3]]"), stream=True):
            pass
    except openai.APIError:
        pass
    else:
        raise AssertionError("a stream that broke off looks like one that ended")
    print("ok broken stream", flush=True)

    try:
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "?"}])
    except openai.BadRequestError as error:
        assert error.body == {"detail": "Model not found"}, error.body
    else:
        raise AssertionError("an unknown model answered")
    print("ok unknown model", flush=True)

    try:
        client.with_options(api_key="sk-" + "0" * 32).models.list()
    except openai.AuthenticationError:
        print("ok wrong key", flush=True)

    stream = client.chat.completions.create(**ask("Cancelled [[tokens=50 hold=3]]"), stream=True)
    text = ""
    for chunk in stream:
        text += chunk.choices[0].delta.content or ""
        if text == "word1 word2 word3":
            break
    print("cancelling", flush=True)
    stream.close()
    print("cancelled", flush=True)
    sys.stdin.read()


main()
