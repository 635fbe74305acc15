#!/usr/bin/env python3
"""More to learn from: the photographs of train and val whole, at two sizes, grey.

    python3 build_photographs.py UNPACKED_ROOT OUT_DIR

build_images.py takes the crop with the most gradient of each photograph, made smaller; a small convex model
that learns from those alone smooths other pictures too little. UNPACKED_ROOT holds what fetch.sh unpacked.
OUT_DIR gets the folders train and val, some 40 MB, and no photograph of test.
"""
import csv, os, sys
from PIL import Image
from build_images import HERE, load

def main():
    root, out = sys.argv[1:3]
    rows = csv.DictReader(open(os.path.join(HERE, "photos.tsv"), encoding="utf8"), delimiter="\t", quoting=csv.QUOTE_NONE)
    for r in rows:
        if r["split"] == "test": continue
        os.makedirs(os.path.join(out, r["split"]), exist_ok=True)
        small = load(root, r, "L"); save(small, out, r, "small")
        # Half as much smaller than build_images.py makes it.
        k = int(r["shrink"]); large = dict(r, shrink=1) if k else r
        image = load(root, large, "L")
        if k:
            image = image.resize([round(side / max(k / 2, 1)) for side in image.size], Image.LANCZOS)
            if image.size != small.size: save(image, out, r, "large")

def save(image, out, r, size):
    image.save(os.path.join(out, r["split"], f"{r['name']}-{size}.png"), optimize=True)

if __name__ == "__main__": main()
