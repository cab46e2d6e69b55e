"""A few layers trained on the CPU by one thread, for the seconds of CPU time of its argument: `train`, then modules, then operators."""
import sys
import time

import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 16, 3)
        self.linear = torch.nn.Linear(16 * 30 * 30, 64)

    def forward(self, images):
        return self.linear(torch.relu(self.conv(images)).flatten(1))


def train(seconds):
    torch.set_num_threads(1)
    net = Net()
    images = torch.randn(32, 3, 32, 32)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    end = time.thread_time() + seconds
    steps = 0
    while time.thread_time() < end:
        optimizer.zero_grad()
        loss = net(images).square().mean()
        loss.backward()
        optimizer.step()
        steps += 1
    return steps


if __name__ == "__main__":
    print(train(float(sys.argv[1]) if len(sys.argv) > 1 else 3), "steps", flush=True)
