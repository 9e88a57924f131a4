#!/bin/sh
# Train a model by its recipe and split the weights into pieces of at most 16 MiB.
#
#   scripts/train_release.sh RECIPE DATA OUT [--option value ...]
#
# RECIPE is `nano`, which is the shipped model, `small` or any other that `motiongpt3 train` knows,
# DATA a prepared set (`motiongpt3 data prepare`), OUT the folder of the run; options go to `motiongpt3
# train`. Every call goes on where the last one stopped, so a run may be cut into pieces: `timeout 600
# scripts/train_release.sh ...` again and again until it says that it is done. With a GPU the recipe
# runs on it.
# Pieces are joined by: cat OUT/pieces/model.safetensors.* > OUT/model/model.safetensors
set -eu
recipe=$1
data=$2
out=$3
shift 3
python=${PYTHON:-python3}
"$python" -m motiongpt3 train "$recipe" --data "$data" --out "$out" --resume "$@"
rm -rf "$out/pieces"
mkdir -p "$out/pieces"
for name in config.json tokenizer.json card.json manifest.json; do
    cp "$out/model/$name" "$out/pieces/"
done
split -b 16777216 -d "$out/model/model.safetensors" "$out/pieces/model.safetensors."
ls -l "$out/pieces"
echo "done: $out/pieces"
