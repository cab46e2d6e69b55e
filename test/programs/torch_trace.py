"""Writes a trace of the PyTorch profiler: python3 torch_trace.py OUT.json. Three steps of a small training on the CPU."""
import json
import sys

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(32, 64)
        self.second = nn.Linear(64, 8)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


def train_step(net, optimizer, x):
    optimizer.zero_grad()
    loss = net(x).square().mean()
    loss.backward()
    optimizer.step()


def main(out):
    torch.set_num_threads(1)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    x = torch.randn(16, 32)
    train_step(net, optimizer, x)
    with torch.profiler.profile(with_stack=True, profile_memory=True, record_shapes=True) as profiler:
        for step in range(3):
            with torch.profiler.record_function(f"ProfilerStep#{step}"):
                train_step(net, optimizer, x)
    profiler.export_chrome_trace(out)
    # What PyTorch itself sums up of the same events.
    own = {event.key: [event.count, event.cpu_time_total] for event in profiler.key_averages()}
    print(json.dumps({"torch": torch.__version__, "averages": own}))


main(sys.argv[1])
