"""A small training loop on the CPU: matrix products and convolutions, with a DataLoader of two workers.

Prints `ready PID` after its first steps, then runs until it is killed.
"""
import os

import torch
from torch.utils.data import DataLoader, Dataset


class Images(Dataset):
    def __len__(self):
        return 100_000

    def __getitem__(self, index):
        image = torch.randn(3, 16, 16)
        return (image - image.mean()) / image.std(), index % 10


def main():
    torch.set_num_threads(1)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 14 * 14, 10),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loss_of = torch.nn.CrossEntropyLoss()
    for step, (images, labels) in enumerate(DataLoader(Images(), batch_size=32, num_workers=2)):
        optimizer.zero_grad()
        loss_of(model(images), labels).backward()
        optimizer.step()
        if step == 3:
            print("ready", os.getpid(), flush=True)


if __name__ == "__main__":
    main()
