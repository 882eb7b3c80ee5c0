#!/usr/bin/env python3
# Records what the reference implementation (PyPI: tokenizers) makes of small tokenizers trained here:
# record-golden.py OUTPUT.json. The tests read its output and need neither Python nor network.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""OUTPUT has "bases", tokenizer.json files, and "cases": each a base, a patch (members that replace the base's, and inside
"model" the model's), and texts with the ids and the decoded text that the reference gives (null where it fails)."""
import json
import random
import sys

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PROSE = """The lighthouse keeper counted seventeen boats before breakfast, and wasn't surprised when the eighteenth
didn't come. She'd seen it happen: in 1987, in 1994 and again in 2003. "They're late," he said; "we'll wait."
Every boat has a name, every name has a story; some stories have boats in them. x = y + 10 * (z - 3) / 2;
if (a < b) { return a->next[3]; } else { continue; }   // two  spaces,   three   spaces
Das Boot fährt über die Brücke. Le café était fermé, où êtes-vous allé? Mañana será otro día. Привет, мир! 你好，世界。
こんにちは。 안녕하세요. The lighthouse stood there, the boats went there, then they went there together. 100% of 3.14159
"""
SOUP = ["abcdeABCDE", "  \n\t", ".,;:'\"!?-_()[]{}<>$%&*+=@#|~^`/\\", "0123456789", "éàüñÀÉßø", "日本語世界你好",
        "кирилл", "안녕", "😀👍", "\u0301\u0323", "\u00a0\u3000\u200d\u2028", "ﬁ½Ⅳ①²", "'s't'll"]


def soup(rng, length):
    pools = rng.sample(SOUP, rng.randrange(1, 5)) + [SOUP[0], SOUP[1]]
    return "".join(rng.choice(rng.choice(pools)) for _ in range(length))


def train_byte_level(rng):
    """Merges of any two bytes, so that every place where a text is split shows in the ids."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<s>", "</s>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), max_token_length=8)
    tokenizer.train_from_iterator([PROSE] * 2 + [soup(rng, 60) for _ in range(300)], trainer)
    return json.loads(tokenizer.to_str())


def train_sentence(rng):
    """SentencePiece style, with byte tokens."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=380, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator(PROSE.split("\n") * 2, trainer)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    result = json.loads(tokenizer.to_str())
    vocabulary = result["model"]["vocab"]
    for byte in range(256):
        vocabulary.setdefault("<0x%02X>" % byte, len(vocabulary))
    result["model"]["byte_fallback"] = True
    return result


def train_words(rng):
    """Marked subwords and ends of words, and unknown characters."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False,
                                  continuing_subword_prefix="##", end_of_word_suffix="</w>")
    tokenizer.train_from_iterator([PROSE[:700]] * 2, trainer)
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    return json.loads(tokenizer.to_str())


def token(id, content, **properties):
    base = dict(id=id, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return base | properties


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def splits(*steps):
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": list(steps) + [BYTE_LEVEL]}}


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return splits({"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert})


def normalizer(*steps):
    return {"normalizer": steps[0] if len(steps) == 1 else {"type": "Sequence", "normalizers": list(steps)}}


def replace(pattern, content, kind="Regex"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "punctuation and letters": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "letters but not Han": r"[\p{L}&&[^\p{Han}]]+|\p{Han}",
    "not Han": r"[^\p{Han}]+",
    "words": r"\w+|[^\w\s]+",
    "not words": r"\W",
    "nested class": r"[a-c[0-4]\s]+",
    "nested complement": r"[a[^\w]]+",
    "complement of intersection": r"[^\w&&[^\d]]+",
    "word boundaries": r"\b",
    "inside words": r"\B",
    "lines": r"^.*$",
    "dot with newlines": r"(?m:a.*?b)",
    "option to the end": r"x|a(?i)b|C",
    "hexadecimal digits": r"\h+",
    "posix": r"[[:alpha:]]+|[[:digit:][:punct:]]+|[[:^space:]]",
    "posix punctuation": r"[[:punct:]]+",
    "property punctuation": r"\p{Punct}+",
    "property names": r"\p{Letter}+|\p{^Lu}",
    "scripts": r"\p{Cyrillic}+|\p{Hangul}+|\p{Latin}+",
    "possessive": r"[a-z]++|\d?+\s",
    "interval is not possessive": r"[a-z]{1,2}+.",
    "interval is not lazy": r"[a-z]{2}?[0-9]",
    "interval from nothing": r"a{,2}b",
    "twice quantified": r"a{2}{2}|b+{2}",
    "literal braces": r"{|}|a{x",
    "escapes": r"\x41|\u0062|\x{e9}|\t|\.|\-",
    "lookbehind": r"(?<=[a-z])(?=[A-Z])|(?<!\s)\d",
    "back-reference": r"(.)\1",
    "atomic": r"(?>a+|b)c?",
    "comment": r"a(?#letters)b",
    "empty": r"",
    "maybe empty": r"a*",
}
DASH = "the-final--countdown-"

CASES = {
    "byte": {
        "plain": {},
        "gpt2": {"pre_tokenizer": BYTE_LEVEL | {"use_regex": True}},
        "prefix space": {"pre_tokenizer": BYTE_LEVEL | {"use_regex": True, "add_prefix_space": True}},
        "ignore merges": {"model": {"ignore_merges": True}, "pre_tokenizer": BYTE_LEVEL | {"use_regex": True}},
        **{"pattern: " + name: split(pattern) for name, pattern in PATTERNS.items()},
        **{f"behavior: {b}{' inverted' if i else ''}": split(r"[a-e]|\d", b, i)
           for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous") for i in (False, True)},
        "literal": split("e ", "MergedWithPrevious", kind="String"),
        "literal of pattern characters": split(".*", "Removed", kind="String"),
        "whitespace": splits({"type": "Whitespace"}),
        "whitespace split": splits({"type": "WhitespaceSplit"}),
        "digits": splits({"type": "Digits", "individual_digits": False}),
        "single digits": splits({"type": "Digits", "individual_digits": True}),
        "bert": splits({"type": "BertPreTokenizer"}),
        **{"punctuation: " + b: splits({"type": "Punctuation", "behavior": b})
           for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")},
        **{f"metaspace: {s} {t}": splits({"type": "Metaspace", "replacement": "▁", "prepend_scheme": s, "split": t})
           for s in ("first", "never", "always") for t in (True, False)},
        "sequence": splits({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Punctuation"}]},
                           {"type": "Digits", "individual_digits": True}),
        **{name: normalizer({"type": name}) for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")},
        **{f"strip {l} {r}": normalizer({"type": "Strip", "strip_left": l, "strip_right": r})
           for l, r in ((True, True), (True, False), (False, True))},
        "prepend": normalizer({"type": "Prepend", "prepend": "é "}),
        "replace": normalizer(replace("e", "<3>", "String")),
        "replace regex": normalizer(replace(r"\s+|\d{2}", " ")),
        "replace empty matches": normalizer(replace(r"b*", "-")),
        "replace empty literal": normalizer(replace("", "-", "String")),
        "bert normalizer": normalizer({"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                                       "strip_accents": None, "lowercase": True}),
        "bert normalizer, cased": normalizer({"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": False,
                                              "strip_accents": None, "lowercase": False}),
        "normalizer sequence": normalizer({"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
                                          replace(" +", " ")),
        "strip before metaspace": {**normalizer({"type": "Strip", "strip_left": True, "strip_right": False}),
                                   **splits({"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"})},
        "byte-level normalizer": {**normalizer({"type": "ByteLevel"}), "pre_tokenizer": None},
        "template": {"post_processor": {"type": "Sequence", "processors": [BYTE_LEVEL, {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "end", "type_id": 0}}], "pair": [],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                               "end": {"id": "end", "ids": [1, 0], "tokens": ["</s>", "<s>"]}}}]}},
        "bert processing": {"post_processor": {"type": "BertProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0]}},
        "roberta processing": {"post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0],
                                                  "trim_offsets": True, "add_prefix_space": False}},
        "no decoder": {"decoder": None},
        "added": {"added_tokens": [
            token(0, "<s>", special=True), token(1, "</s>", special=True), token(700, "<word>", single_word=True),
            token(701, "<left>", lstrip=True), token(702, "<right>", rstrip=True),
            token(703, "<both>", lstrip=True, rstrip=True, special=True), token(704, "<bo"), token(705, "boat"),
            token(706, "Boat", normalized=True), token(707, "  ", normalized=True), token(708, "ab", single_word=True)]},
        "added and normalized": {**normalizer({"type": "Lowercase"}, {"type": "NFKD"}), "added_tokens": [
            token(0, "<s>", special=True), token(1, "</s>", special=True), token(700, "BOAT", normalized=True),
            token(701, "Name"), token(702, "É ", normalized=True, rstrip=True), token(703, "ab", lstrip=True, normalized=True)]},
        "added and metaspace": {**splits({"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"}),
                                "added_tokens": [token(0, "<s>", special=True), token(1, "</s>", special=True)]},
    },
    "sentence": {
        "plain": {},
        "no byte fallback": {"model": {"byte_fallback": False}},
        "unknown characters apart": {"model": {"byte_fallback": False, "fuse_unk": False}},
        "nothing for unknown characters": {"model": {"byte_fallback": False, "unk_token": None}},
        **{"metaspace: " + s: {"normalizer": None,
                               "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": s, "split": False},
                               "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": s, "split": False}}
           for s in ("first", "never", "always")},
        "decoder: byte fallback": {"decoder": {"type": "ByteFallback"}},
        "decoder: replace regex": {"decoder": {"type": "Sequence", "decoders": [replace("▁+|e", "-"), {"type": "Fuse"}]}},
        "decoder: strip both": {"decoder": {"type": "Sequence", "decoders": [
            {"type": "Fuse"}, replace("▁▁", "x", "String"), {"type": "Strip", "content": "▁", "start": 2, "stop": 1}]}},
        "decoder: regex on all": {"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, replace("▁(?=t)", " ")]}},
        "template": {"post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}},
        "normalized special tokens": {"added_tokens": [token(0, "<unk>", special=True), token(1, "<s>", normalized=True),
                                                       token(2, "</s>", special=True, rstrip=True)]},
    },
    "words": {
        "plain": {},
        "apart": {"model": {"fuse_unk": True}},
        "only ends": {"model": {"continuing_subword_prefix": None, "merges": []}},
    },
}

TEXTS = ["", " ", "a", DASH, "The lighthouse keeper didn't count; THEY'LL wait.", "  two  spaces\n\n\tand lines \r\n", "boats 1987, 3.14",
         "x = y[10] + f(z)->next;", "cafe\u0301 Brücke É ÀÉ", "你好，世界。 こんにちは 안녕", "Привет мир", "😀👍🏽 \u200d\ufeff",
         "\u00a0\u3000nbsp\u2028\u180ex", "ﬁ½Ⅳ①² ǅ İ ß", "\x00\x07\x1b\x7f\x85 \ufffd", "a\u0323\u0301 o\u0301\u0323\u0302", "aabbab ab  ab aBabC",
         "▁▁ ▁a", "<s>Hello</s> <s>", "<word> x<word> <left>  <left> a <right>  b <both>  <both>  <bo <bot boat Boat  ", "  BOAT boat Name é É  ab",
         "<0x41><0xE4>", "a1b22c333 aa11 ab0", "{a{x} -.*\tAb\u00e9"]


def record(base, patch, texts):
    merged = base | patch
    merged["model"] = base["model"] | patch.get("model", {})
    tokenizer = Tokenizer.from_str(json.dumps(merged))
    tests = []
    for text in texts:
        try:
            ids = tokenizer.encode(text).ids
        except BaseException:  # its alignments do not survive some insertions
            continue
        entry = {"text": text, "ids": ids, "plain": tokenizer.encode(text, add_special_tokens=False).ids}
        if entry["plain"] == ids:
            del entry["plain"]
        for name, skip in (("decoded", False), ("skipped", True)):
            try:
                entry[name] = tokenizer.decode(ids, skip_special_tokens=skip)
            except BaseException:  # it panics on some empty inputs
                entry[name] = None
        if entry["skipped"] == entry["decoded"]:
            del entry["skipped"]
        tests.append(entry)
    return tests


def make_bases():
    rng = random.Random(7)
    return {"byte": train_byte_level(rng), "sentence": train_sentence(rng), "words": train_words(rng)}


def main():
    bases = make_bases()
    cases = []
    for base, patches in CASES.items():
        for name, patch in patches.items():
            tests = record(bases[base], patch, TEXTS)
            cases.append({"base": base, "name": name, "patch": patch, "tests": tests})
    compact = lambda value: json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    with open(sys.argv[1], "w") as output:
        output.write('{"bases":{\n' + ",\n".join(compact(k) + ":" + compact(v) for k, v in bases.items()))
        output.write('\n},"cases":[\n' + ",\n".join(map(compact, cases)) + "\n]}\n")


if __name__ == "__main__":
    main()
