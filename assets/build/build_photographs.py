#!/usr/bin/env python3
"""More to learn from: of the photographs of train and val, each whole, and crops of them at a larger size.

    python3 build_photographs.py UNPACKED_ROOT OUT_DIR

build_images.py takes the crop with the most gradient of each photograph, made smaller: all of them texture. Here a photograph
is also whole, as small, and (but for the largest) gives crops of 256x256 with the most gradient, two for train and one for val,
made half as much smaller. UNPACKED_ROOT holds what fetch.sh unpacked. OUT_DIR gets the folders train (151 files)
and val (22), and no photograph of test.
"""
import csv, os, sys
import numpy as np
from PIL import Image
from build_images import HERE, crops, load

def main():
    root, out = sys.argv[1:3]
    rows = csv.DictReader(open(os.path.join(HERE, "photos.tsv"), encoding="utf8"), delimiter="\t", quoting=csv.QUOTE_NONE)
    for r in rows:
        split, k = r["split"], int(r["shrink"])
        if split == "test": continue
        os.makedirs(os.path.join(out, split), exist_ok=True)
        def save(image, tag): image.save(os.path.join(out, split, f"{r['name']}{tag}.png"), optimize=True)
        save(load(root, r, "L"), "-small")
        if k == 0: continue
        image = load(root, dict(r, shrink=1), "L")
        image = image.resize([round(side / max(k / 2, 1)) for side in image.size], Image.LANCZOS)
        best = crops(np.asarray(image), 256, 2 if split == "train" else 1)
        for tag, (_, y, x) in zip(("-crop", "_b-crop"), best): save(image.crop((x, y, x + 256, y + 256)), tag)

if __name__ == "__main__": main()
