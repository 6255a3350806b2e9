"""What many tests need: the demo recipe, small problem sets and the tiny model."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from z1.recipe import Recipe, load_recipe
from z1.records import PROBLEM, SPLITS, write_part

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def demo() -> Recipe:
    return load_recipe(ROOT / "recipes" / "demo.yaml")


@pytest.fixture
def sums_folder(tmp_path: Path) -> Path:
    """Four splits of four sums each, as the problems stage writes them."""
    folder = tmp_path / "problems"
    for number, split in enumerate(SPLITS):
        rows = [
            {
                "id": f"{split}-{i}",
                "prompt": f"{11 + number} + {20 + i}",
                "answer": f'"{31 + number + i}"',
                "verifier": "exact",
                "difficulty": "2 numbers",
                "source": "test",
            }
            for i in range(4)
        ]
        write_part(rows, folder / f"{split}.parquet", PROBLEM)
    return folder


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """The Python of an environment with vLLM and z1."""
    named = os.environ.get("Z1_VLLM_PYTHON")
    if not named and not (ROOT / ".venv-vllm" / ".ready").is_file():
        pytest.skip("no environment with vLLM here: `make vllm-env` makes .venv-vllm")
    return named or str(ROOT / ".venv-vllm" / "bin" / "python")


@pytest.fixture(scope="session")
def vllm_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with its attention heads filled up with zeros to a width of 32.

    vLLM's kernel for CPUs has none of the tiny model's 24. What the model computes stays the same:
    a Llama model with biases is a Qwen2 model whose heads may have any width.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from z1.models import load_model, load_tokenizer

    tiny, width = load_model("tiny", "float32"), 32
    config, kept = tiny.config, tiny.config.hidden_size // tiny.config.num_attention_heads
    if kept == width:
        return Path(config._name_or_path)
    theta = config.rope_parameters["rope_theta"] ** (width / kept)  # the same angles in each head
    shared = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"]
    shared += ["num_attention_heads", "num_key_value_heads", "max_position_embeddings"]
    shared += ["rms_norm_eps", "tie_word_embeddings", "eos_token_id", "pad_token_id"]
    wide = LlamaForCausalLM(
        LlamaConfig(
            **{name: getattr(config, name) for name in shared},
            head_dim=width,
            attention_bias=True,
            rope_parameters={"rope_type": "default", "rope_theta": theta},
            bos_token_id=None,
        )
    )
    # A head turns its first half against its second half, so each half is filled up.
    half = torch.arange(kept // 2)
    head = torch.cat([half, half + width // 2])
    rows = torch.cat([head + i * width for i in range(config.num_attention_heads)])
    narrow, weights = tiny.state_dict(), wide.state_dict()
    for name, weight in weights.items():
        weight.zero_()
        if name.endswith("o_proj.weight"):
            weight[:, rows] = narrow[name]
        elif ".self_attn." in name and name in narrow:
            # Products of wider heads are scaled down more.
            weight[rows] = narrow[name] * ((width / kept) ** 0.5 if "q_proj" in name else 1)
        elif name in narrow:
            weight.copy_(narrow[name])
    wide.load_state_dict(weights)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    wide.save_pretrained(folder)
    load_tokenizer("tiny").save_pretrained(folder)
    return folder


# The machines that run these tests are shared, so that a slow example says nothing.
settings.register_profile("z1", deadline=None)
settings.load_profile("z1")
