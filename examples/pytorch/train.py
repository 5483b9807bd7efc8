"""From a PyTorch network to a trained ticket; docs/pytorch.md goes through it.

    python train.py export                                        writes state.safetensors, model.onnx, images.safetensors
    npx px prune model.onnx --data images.safetensors --density 0.1 -o out
    npx px map out/masks.safetensors model.onnx state.safetensors -o mapped.safetensors
    python train.py train mapped.safetensors --steps 100          writes ticket.safetensors
"""

import argparse
import json

import torch
from px_masks import apply_masks, density, load_masks, remove_masks
from safetensors.torch import load_file, save_file
from torch import nn


def network() -> nn.Module:
    """A small convolutional network for 3x16x16 images and 4 classes."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 4),
    )


def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise in which the class decides how bright each quadrant is: stands for your data."""
    y = torch.randint(4, (size,))
    x = torch.randn(size, 3, 16, 16)
    for i, label in enumerate(y.tolist()):
        row, column = divmod(label, 2)
        x[i, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 1.5
    return x, y


def export() -> None:
    model = network().eval()
    save_file(model.state_dict(), 'state.safetensors')
    torch.onnx.export(
        model, (torch.randn(2, 3, 16, 16),), 'model.onnx', dynamo=False, opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
        input_names=['x'], output_names=['y'], dynamic_axes={'x': {0: 'n'}, 'y': {0: 'n'}},
    )  # fmt: skip
    x, y = batch(64)
    save_file({'x': x, 'y': y}, 'images.safetensors')


def train(masks_path: str, state: str, steps: int) -> None:
    model = network()
    model.load_state_dict(load_file(state))
    masks = load_masks(masks_path)
    apply_masks(model, masks)
    kept = density(model)
    # Momentum and weight decay act on the originals; what the network uses stays zero where it is masked.
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    losses = []
    for _ in range(steps):
        x, y = batch(64)
        loss = nn.functional.cross_entropy(model(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    remove_masks(model)
    save_file(model.state_dict(), 'ticket.safetensors')
    print(json.dumps({'density': kept, 'first loss': losses[0], 'last loss': losses[-1]}))


def main() -> None:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('export')
    training = commands.add_parser('train')
    training.add_argument('masks')
    training.add_argument('--state', default='state.safetensors')
    training.add_argument('--steps', type=int, default=100)
    arguments = parser.parse_args()
    torch.manual_seed(1)
    if arguments.command == 'export':
        export()
    else:
        train(arguments.masks, arguments.state, arguments.steps)


if __name__ == '__main__':
    main()
