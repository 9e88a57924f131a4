"""An evaluation with a toy evaluator, as a program that several processes can share (torchrun)."""

import sys

import torch
from judges import Oracle

from motiongpt3.app import cli
from motiongpt3.model import evaluator

if __name__ == "__main__":
    torch.set_num_threads(1)
    evaluator.read_evaluator = lambda folder: Oracle()
    sys.exit(cli.main(["evaluate", *sys.argv[1:]]))
