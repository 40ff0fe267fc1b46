"""Keyword arguments of PyTorch, Keras, scikit-learn, Flax and Optax, and their counterparts here.

>>> from nn import optim
>>> optim.Adam([], learning_rate=0.1)
Traceback (most recent call last):
TypeError: Adam() got an unexpected keyword argument 'learning_rate'; write lr
"""

from types import FunctionType

from engine.support.other_names import Keywords, make_keyword_decorator
from nn.search import is_of_user

# Each keyword with its counterparts; error messages have the first that is an argument.
KEYWORDS: Keywords = {
    # networks and layers
    **dict.fromkeys(("in_features", "input_size", "n_inputs", "in_size", "in_channels"), ("nin",)),
    **dict.fromkeys(("out_features", "output_size", "n_outputs", "out_size"), ("nout",)),
    "input_dim": ("nin", "rows"), "output_dim": ("nout", "width"),
    "units": ("nout", "nouts=[16, 1]"), "features": ("nout", "n", "width", "nouts=[16, 1]"),
    **dict.fromkeys(
        (
            "hidden_layer_sizes", "hidden_sizes", "hidden_units", "hidden_channels", "layer_sizes",
            "sizes",
        ),
        ("nouts=[16, 1]", "hidden=(32,)"),
    ),
    "layers": ("nouts=[16, 1]", "hidden=(32,)", "modules"),
    **dict.fromkeys(("hidden_dim", "d_model", "embed_dim", "embedding_dim", "n_embd"), ("width",)),
    "hidden_size": ("width", "n", "nouts=[16, 1]"),
    **dict.fromkeys(("num_features", "normalized_shape", "dim", "size"), ("n", "width")),
    "num_embeddings": ("rows",),
    **dict.fromkeys(("vocab_size", "num_tokens"), ("vocabulary", "rows")),
    **dict.fromkeys(("num_heads", "n_heads", "n_head", "nhead"), ("heads",)),
    **dict.fromkeys(("num_layers", "n_layers", "n_layer", "depth", "num_blocks"), ("layers",)),
    **dict.fromkeys(("block_size", "context_length", "max_seq_len", "n_positions"), ("positions",)),
    "is_causal": ("causal",), "elementwise_affine": ("gain",), "norm_layer": ("norm",),
    **dict.fromkeys(("nonlinearity", "activation_fn", "act", "hidden_act"), ("activation", "name")),
    "nonlin": ("activation='linear'",),
    **dict.fromkeys(("fn", "function"), ("name", "build")),
    **dict.fromkeys(
        ("kernel_initializer", "kernel_init", "initializer", "weight_init", "init_weights"),
        ("init",),
    ),
    **dict.fromkeys(("use_bias", "with_bias", "fit_intercept"), ("bias",)),
    **dict.fromkeys(("p", "drop_rate", "drop_prob", "dropout_rate"), ("rate", "dropout")),
    "dropout": ("rate",),
    "epsilon": ("eps",),
    **dict.fromkeys(
        ("seed", "random_seed", "random_state", "generator", "key", "rngs", "rng"),
        ("rng", "random_state", "seeds"),
    ),
    # training
    **dict.fromkeys(("learning_rate", "learning_rate_init", "eta", "base_lr", "max_lr"), ("lr",)),
    **dict.fromkeys(("initial_learning_rate", "init_value", "peak_value"), ("lr",)),
    **dict.fromkeys(
        ("num_epochs", "n_epochs", "max_epochs", "nb_epoch", "max_iter", "n_iter", "iterations"),
        ("epochs", "steps"),
    ),
    **dict.fromkeys(("criterion", "loss_fn", "loss_function", "cost"), ("loss",)),
    **dict.fromkeys(("optim", "opt", "solver", "tx"), ("optimizer",)),
    **dict.fromkeys(("bs", "batchsize", "mini_batch_size"), ("batch_size", "size")),
    "batch_size": ("size",),
    **dict.fromkeys(("metrics", "scoring", "metric_fn"), ("metric",)),
    **dict.fromkeys(
        ("validation_data", "validation_split", "validation_fraction", "eval_set", "val_data"),
        ("validation=(X, y), or validation=0.1",),
    ),
    **dict.fromkeys(
        ("early_stopping", "early_stopping_rounds", "n_iter_no_change"), ("patience=10",)
    ),
    **dict.fromkeys(
        ("clipnorm", "clip_norm", "grad_clip", "max_grad_norm", "gradient_clip_val"), ("clip",)
    ),
    **dict.fromkeys(("max_norm", "clip_value", "max_delta"), ("limit", "clip")),
    **dict.fromkeys(("scheduler", "lr_scheduler", "lr_schedule"), ("schedule",)),
    **dict.fromkeys(("checkpoint_path", "ckpt_path", "resume_from"), ("checkpoint",)),
    **dict.fromkeys(("f", "file", "filename", "filepath", "file_path"), ("path", "build")),
    **dict.fromkeys(("transform", "augmentation"), ("augment",)),
    **dict.fromkeys(("regularizer", "regularization"), ("penalty",)),
    **dict.fromkeys(("jit_compile", "compile"), ("jit",)),
    **dict.fromkeys(("net", "network", "module", "estimator"), ("model", "build")),
    **dict.fromkeys(("x", "data", "inputs"), ("X",)),
    # optimizers and schedules
    "params": ("parameters", "grid"),
    **dict.fromkeys(("beta1", "beta2", "beta_1", "beta_2", "b1", "b2"), ("betas=(0.9, 0.999)",)),
    **dict.fromkeys(("rho", "decay"), ("alpha",)),
    "decay_rate": ("factor", "by=10.0, which divides the rate", "alpha"),
    "gamma": ("factor", "by=10.0, which divides the rate"),
    "factor": ("by=10.0, which divides the rate", "inner"),
    "l2": ("weight_decay", "penalty"),
    "step_size": ("every", "lr"),
    **dict.fromkeys(
        (
            "T_max", "T_0", "total_steps", "total_iters", "decay_steps", "transition_steps",
            "num_steps", "n_steps", "warmup_steps", "num_warmup_steps",
        ),
        ("steps", "every"),
    ),
    **dict.fromkeys(("eta_min", "end_value", "min_lr", "end_factor"), ("end", "least")),
    "T_mult": ("grow",), "pct_start": ("rise",), "div_factor": ("divide",),
    # losses and metrics
    **dict.fromkeys(("input", "y_pred", "preds", "output"), ("predictions", "logits", "scores")),
    "predictions": ("logits", "scores"), "logits": ("predictions", "scores"),
    **dict.fromkeys(("target", "y_true"), ("targets", "labels")),
    "labels": ("targets", "y"), "targets": ("labels", "y"),
    "label_smoothing": ("smoothing",), "class_weight": ("weight",), "beta": ("delta",),
    **dict.fromkeys(("reduce", "size_average"), ("reduction",)),
    # data, sweeps and plots
    **dict.fromkeys(("n_samples", "num_samples"), ("n",)),
    **dict.fromkeys(("std", "cluster_std"), ("noise",)),
    "test_size": ("fraction",),
    **dict.fromkeys(("param_grid", "search_space", "config"), ("grid",)),
    **dict.fromkeys(("n_jobs", "n_workers", "max_workers"), ("processes", "threads")),
    "ax": ("axes",),
}  # fmt: skip
REMARKS = {  # on keyword arguments without a counterpart
    "device": "numbers are in the memory of the CPU",
    "dtype": "Values are float64; the modules of nn.vector have a dtype",
    "from_logits": "scores are logits: the loss applies the sigmoid or softmax",
}
FIT_REMARKS = {
    "callbacks": "iterate over the result: for record in fit(...)",
    **dict.fromkeys(("verbose", "progress_bar"), "fit(...).run() shows the progress"),
    "shuffle": "samples are drawn in random order; rng is the seed",
    **dict.fromkeys(
        ("weight_decay", "momentum", "alpha"),
        "write optimizer=optim.SGD(model.parameters(), ...), which has such settings",
    ),
    "sample_weight": "a loss of your own, loss=lambda predictions, y: ..., may weight samples",
}

answer_keywords = make_keyword_decorator(KEYWORDS, REMARKS)
answer_keywords_of_fit = make_keyword_decorator(KEYWORDS, REMARKS | FIT_REMARKS)


def answer_constructor(kind: type) -> None:
    """Let the constructor of a class answer keywords of other libraries, unless a user wrote it."""
    init = vars(kind).get("__init__")
    if isinstance(init, FunctionType) and not is_of_user(kind):
        setattr(kind, "__init__", answer_keywords(init))  # noqa: B010
