#!/usr/bin/env bats
# variants: default
# The picture of shmfsctl in the documentation can be drawn anew.

load shell

@test "scripts/picture draws what ls, who and top print" {
    "$HERE/../../scripts/picture" "$TEST_DIR/picture.svg" "$(dirname "$SHMFS")/shmfsctl" 3>&- 4>&-
    "$PYTHON" - "$TEST_DIR/picture.svg" <<'END'
import collections, sys, xml.etree.ElementTree as tree

texts = collections.Counter(
    (element.text, element.get("class"))
    for element in tree.parse(sys.argv[1]).iter("{http://www.w3.org/2000/svg}text"))
for text, style in [
    ("shmfsctl who camera_front", "bold"),
    ("torch_901_4", "yellow"),  # an orphan, and in top
    ("torch_901_4", "bold yellow"),
    ("batch_17", "red"),  # deleted
    ("batch_17", "bold red"),
    ("NAME", "reverse"),
]:
    assert texts[text, style] > 0, (text, style, texts)
assert sum(text.startswith("shmfsctl top -") for text, _ in texts) == 6, texts
END
    [ -z "$(ls -A "$SHM")" ]
}
