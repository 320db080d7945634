//! Calls as Python writes them.

use super::table;

#[test]
fn llama_pythonic_calls() {
    table(
        "llama-pythonic",
        &[
            (
                "[f(a=\"v\", n=1, b=True, u=None, l=[1, 2], o={'k': 1.5})]",
                "f({\"a\":\"v\",\"n\":1,\"b\":true,\"u\":null,\"l\":[1,2],\"o\":{\"k\":1.5}})",
            ),
            ("[f()]", "f({})"),
            ("[f(a='x'), g()]", "f({\"a\":\"x\"}); g({}); after \"g()]\""),
            ("Sure.\n[f(a=1)]\nDone.", "f({\"a\":1}); after \"Done.\""),
            ("<|python_start|>[f(a=1)]<|python_end|>", "f({\"a\":1})"),
            (
                "<function_calls>\nf(a=1)\ng()\n</function_calls>",
                "f({\"a\":1}); g({}); after \"g()\\n</function_calls>\"",
            ),
            ("<function_calls>\nf(a=1)", "f({\"a\":1}) open"),
            // Lists and links are no calls.
            ("[1, 2]", ""),
            ("see [f](x)", ""),
            ("[f(a=1", "f(bad \"a=1\") open"),
            ("[f(a=\"v", "f(bad \"a=\\\"v\") open"),
            ("[f(a=1)", "f({\"a\":1}) open"),
            ("[f(a=g(1)), g()]", "f(bad \"a=g(1)\"); g({}); after \"g()]\""),
            ("[f(1, a=2)]", "f({\"a\":2}) !StrayText"),
            ("[f(a=1, a=2)]", "f({\"a\":2}) !RepeatedKey"),
            ("[m.f(a=1)]", "m.f({\"a\":1}) !NameNotPlain"),
            ("<|python_start|>print(1)", "fragment \"<|python_start|>print(1)\""),
            ("[f(a=\"](\", n=2)]", "f({\"a\":\"](\",\"n\":2})"),
        ],
    );
}
