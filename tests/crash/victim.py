"""Writes until it is killed, and says on its standard output what was acknowledged. Run as a program:

python victim.py DIRECTORY SEED
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

from oauth_codex import OAuthCodexClient

LARGE = "everybody writes about rivers and banks\n" * 30_000


def main(directory: str, seed: int) -> None:
    choose = random.Random(seed)
    client = OAuthCodexClient(backend="sqlite", storage_dir=directory)
    api = client.vector_stores
    attached: dict[str, str] = {}

    def say(**said: Any) -> None:
        sys.stdout.write(f"{json.dumps(said)}\n")
        sys.stdout.flush()

    store = api.create(name=f"store {seed}").id
    say(done="store", store=store)
    for number in range(1_000_000):
        word = f"word{seed}q{number}x"
        match choose.randrange(5):
            case 0 | 1:
                say(begins="attach", words=[word])
                file = api.files.upload(
                    store, file=(word, f"{word} {LARGE if choose.random() < 0.2 else 'short'}".encode())
                ).id
                say(done="attach", words=[word])
                attached[word] = file
            case 2:
                words = [f"{word}{i}" for i in range(4)]
                say(begins="attach", words=words)
                files = [client.files.create(file=(each, each.encode()), purpose="assistants").id for each in words]
                api.file_batches.create(store, file_ids=files)
                say(done="attach", words=words)
                attached.update(zip(words, files, strict=True))
            case 3 if attached:
                word = choose.choice(sorted(attached))
                say(begins="delete", words=[word])
                client.files.delete(attached.pop(word))
                say(done="delete", words=[word])
            case _:
                api.search(store, query=word)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
