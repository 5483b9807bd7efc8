"""PX masks in PyTorch: pruned weights are exactly zero, get no gradient, and stay zero whatever the optimiser does.

    from px_masks import apply_masks, load_masks, remove_masks

    masks = load_masks('mapped.safetensors')    # what `px map` wrote
    apply_masks(model, masks)                   # before or after moving the model to a device
    ...                                         # train as usual
    remove_masks(model)                         # weights become plain parameters again, zeros baked in
    torch.save(model.state_dict(), 'ticket.pt')

Needs torch and safetensors.
"""

from __future__ import annotations

from typing import Mapping

import torch
from safetensors import safe_open
from torch import nn
from torch.nn.utils import parametrize


class Mask(nn.Module):
    """The parametrisation weight = original * mask; the chain rule masks the gradient."""

    def __init__(self, mask: torch.Tensor):
        super().__init__()
        self.register_buffer('mask', mask)

    def forward(self, original: torch.Tensor) -> torch.Tensor:
        # `where`, not a product: a pruned weight is 0 even if its original became infinite.
        return torch.where(self.mask, original, torch.zeros_like(original))

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        return weight


def load_masks(path: str) -> dict[str, torch.Tensor]:
    """Masks by state_dict name, True = kept.

    Raises ValueError for a tensor that is not one of 0 and 1.
    """
    masks = {}
    with safe_open(path, framework='pt') as file:
        for name in file.keys():
            values = file.get_tensor(name)
            if values.dtype not in (torch.uint8, torch.bool) or bool((values > 1).any()):
                raise ValueError(f'{path}: {name} is no mask of 0 and 1')
            masks[name] = values.bool()
    return masks


def apply_masks(model: nn.Module, masks: Mapping[str, torch.Tensor]) -> None:
    """Parametrises the named weights with their masks. Either all masks are applied or none.

    Call it before the optimiser is made. From then on a state_dict of the model has the weight `w` under
    `parametrizations.w.original` and its mask under `parametrizations.w.0.mask`.

    Raises ValueError listing every mask that is no parameter of the model, has another shape, or is applied already.
    """
    problems = []
    for name, mask in masks.items():
        module, attribute = _find(model, name)
        weight = getattr(module, attribute, None)
        if parametrize.is_parametrized(module, attribute):
            problems.append(f'{name} is parametrised already')
        elif not isinstance(weight, nn.Parameter):
            problems.append(f'{name} is no parameter of the model')
        elif weight.shape != mask.shape:
            problems.append(f'{name} has shape {list(weight.shape)}, its mask {list(mask.shape)}')
    if problems:
        raise ValueError('masks do not fit the model: ' + '; '.join(problems))
    for name, mask in masks.items():
        module, attribute = _find(model, name)
        device = getattr(module, attribute).device
        parametrize.register_parametrization(module, attribute, Mask(mask.bool().to(device)))


def remove_masks(model: nn.Module) -> None:
    """Turns masked weights into plain parameters that are zero where they were masked; other parametrisations stay."""
    for module, attribute, _ in list(_masked(model)):
        if len(module.parametrizations[attribute]) > 1:
            raise ValueError(f'{attribute} has further parametrisations; remove those first')
        parametrize.remove_parametrizations(module, attribute, leave_parametrized=True)


def density(model: nn.Module) -> float:
    """Share of the masked tensors' weights that is kept; 1 where nothing is masked."""
    kept = total = 0
    for _, _, mask in _masked(model):
        kept += int(mask.sum())
        total += mask.numel()
    return kept / total if total else 1.0


def _masked(model: nn.Module):
    for module in model.modules():
        if not parametrize.is_parametrized(module):
            continue
        for attribute, chain in module.parametrizations.items():
            for step in chain:
                if isinstance(step, Mask):
                    yield module, attribute, step.mask


def _find(model: nn.Module, name: str) -> tuple[nn.Module | None, str]:
    path, _, attribute = name.rpartition('.')
    try:
        return model.get_submodule(path), attribute
    except AttributeError:
        return None, attribute
