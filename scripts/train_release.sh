#!/bin/sh
# Train the shipped model by its recipe and split the weights into pieces of at most 16 MiB.
#
#   scripts/train_release.sh DATA OUT [--field value ...]
#
# DATA is a prepared set (`motiongpt3 data prepare`), OUT the folder of the run. Every call goes on
# where the last one stopped, so a run may be cut into pieces: `timeout 600 scripts/train_release.sh
# ...` again and again until it says that it is done. With a GPU the recipe runs on it.
# Pieces are joined by: cat OUT/pieces/model.safetensors.* > OUT/model/model.safetensors
set -eu
data=$1
out=$2
shift 2
python=${PYTHON:-python3}
"$python" -m motiongpt3 train nano --data "$data" --out "$out" --resume "$@"
rm -rf "$out/pieces"
mkdir -p "$out/pieces"
for name in config.json tokenizer.json card.json manifest.json; do
    cp "$out/model/$name" "$out/pieces/"
done
split -b 16777216 -d "$out/model/model.safetensors" "$out/pieces/model.safetensors."
ls -l "$out/pieces"
echo "done: $out/pieces"
