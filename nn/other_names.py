"""Names of PyTorch, Keras and scikit-learn, and what they are called in `nn` and its modules."""

from collections.abc import Callable
from typing import NoReturn

from engine.support.other_names import refuse_name

ACTIVATIONS = {
    name: f"activation={name.lower()!r} of a layer, or vector.Activation({name.lower()!r})"
    for name in ("ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "ELU", "Softplus")
} | {"LeakyReLU": "vector.Activation('leaky_relu')"}
LAYERS = {
    "Sequential": "vector.Sequential", "Dropout": "vector.Dropout", "Flatten": "Array.reshape",
    **dict.fromkeys(("BatchNorm1d", "BatchNormalization"), "vector.BatchNorm"),
    "LayerNorm": "vector.LayerNorm", "LayerNormalization": "vector.LayerNorm",
    **dict.fromkeys(("MultiheadAttention", "MultiHeadAttention"), "vector.Attention"),
    **dict.fromkeys(("TransformerEncoderLayer", "TransformerDecoderLayer"), "vector.Transformer"),
    "RMSNorm": "vector.RMSNorm", "RMSNormalization": "vector.RMSNorm",
    "Embedding": "vector.Embedding", "Identity": "vector.Activation('linear')",
    **{name: f"nn.sklearn.{name}" for name in ("MLPClassifier", "MLPRegressor")},
}  # fmt: skip
LOSSES = {
    **dict.fromkeys(
        (
            "MSELoss",
            "MSE",
            "MeanSquaredError",
            "l2",
            "mse_loss",
            "mean_squared_error",
            "squared_error",
        ),
        "losses.mse",
    ),
    **dict.fromkeys(
        ("L1Loss", "MAE", "MeanAbsoluteError", "l1", "l1_loss", "mean_absolute_error"), "losses.mae"
    ),
    **dict.fromkeys(
        (
            "CategoricalCrossentropy",
            "CrossEntropy",
            "CrossEntropyLoss",
            "NLLLoss",
            "ce",
            "categorical_crossentropy",
            "cross_entropy_loss",
            "crossentropy",
            "log_loss",
            "nll",
            "nll_loss",
            "softmax_cross_entropy",
            "sparse_categorical_crossentropy",
        ),
        "losses.cross_entropy",
    ),
    **dict.fromkeys(("SmoothL1Loss", "HuberLoss", "huber_loss", "smooth_l1"), "losses.huber"),
    **dict.fromkeys(
        (
            "BCE",
            "BCELoss",
            "BCEWithLogitsLoss",
            "BinaryCrossentropy",
            "bce",
            "bce_with_logits",
            "binary_cross_entropy_with_logits",
            "binary_crossentropy",
        ),
        "losses.binary_cross_entropy",
    ),
    **dict.fromkeys(("hinge_loss", "HingeEmbeddingLoss"), "losses.hinge"),
}
ATTRIBUTES = {  # of the modules of other libraries
    "forward": "call it: model(X)",
    **dict.fromkeys(("to", "cuda", "cpu"), "numbers are in the memory of the CPU"),
    **dict.fromkeys(("children", "named_children"), "named_modules() returns all modules by path"),
    **dict.fromkeys(("buffers", "named_buffers"), "named_state() returns constants, too"),
    **dict.fromkeys(("get_weights", "trainable_weights"), "parameters() returns them"),
    "set_weights": "load_state_dict(state) sets them",
    "requires_grad_": "freeze() and unfreeze() change all parameters",
    "fit": "write nn.fit(model, X, y, loss=..., epochs=...).run()",
    "compile": "write engine.jit(model), or fit(..., jit=True)",
    "evaluate": "write nn.accuracy(model.predict(X), y)",
    "predict_proba": "write model.predict(X, 'probabilities')",
    "score": "write nn.accuracy(model.predict(X), y)",
    **dict.fromkeys(("save", "save_weights"), "write nn.save(path, model)"),
    **dict.fromkeys(("load", "load_weights"), "write nn.load(path, model)"),
}
PARAMETERS = {  # of layers in other libraries, and the counterparts: a layer has at most one
    **dict.fromkeys(("w", "W", "kernel", "coef_", "weight", "weights"), ("weights", "weight")),
    **dict.fromkeys(("b", "biases", "intercept_", "bias"), ("bias",)),
}
METRICS = dict.fromkeys(
    ("acc", "accuracy_score", "binary_accuracy", "categorical_accuracy"), "accuracy"
)
INITS = {
    **dict.fromkeys(("he", "kaiming", "kaiming_normal", "kaiming_normal_"), "init.he_normal"),
    **dict.fromkeys(("kaiming_uniform", "kaiming_uniform_"), "init.he_uniform"),
    **dict.fromkeys(
        ("glorot", "glorot_normal", "xavier", "xavier_normal_"), "init.xavier_normal"
    ),
    **dict.fromkeys(("glorot_uniform", "xavier_uniform_"), "init.xavier_uniform"),
    **dict.fromkeys(("random", "random_normal", "normal_"), "init.normal"),
    **dict.fromkeys(("random_uniform", "uniform_"), "init.uniform"), "zeros_": "init.zeros",
}  # fmt: skip
DATA = {
    **{f"make_{name}": f"data.{name}" for name in ("blobs", "circles", "moons")},
    **dict.fromkeys(("MNIST", "load_mnist"), "data.mnist"), "train_test_split": "data.split",
    "DataLoader": "data.batches, or fit(..., batch_size=...)",
}  # fmt: skip
OPTIMIZERS = {
    "sgd": "SGD", "Momentum": "SGD", "GradientDescent": "SGD",
    "RMSProp": "RMSprop", "AdaGrad": "Adagrad", "lr_scheduler": "nn.schedules",
    **dict.fromkeys(("clip_grad_norm_", "clip_grad_value_"), "clip_grad_norm or clip_grad_value"),
}  # fmt: skip
SCHEDULES = {
    "StepLR": "schedules.step_decay", "ExponentialLR": "schedules.exponential",
    "CosineAnnealingLR": "schedules.cosine", "LinearLR": "schedules.linear",
    "CosineAnnealingWarmRestarts": "schedules.warm_restarts", "OneCycleLR": "schedules.one_cycle",
    "ReduceLROnPlateau": "schedules.reduce_on_plateau", "LambdaLR": "a function of the step",
    "cosine_annealing": "schedules.cosine", "plateau": "schedules.reduce_on_plateau",
}  # fmt: skip
VECTOR = {
    **ACTIVATIONS, **{name: here for name, here in LAYERS.items() if here != f"vector.{name}"},
    **dict.fromkeys(("Linear", "Layer"), "vector.Dense"),
}  # fmt: skip
NETWORKS = {
    **ACTIVATIONS, **LAYERS, **LOSSES, **SCHEDULES, "Linear": "nn.Layer, or vector.Dense of Arrays",
    **{
        name: f"scalar.{name}, or vector.{name} of Arrays"
        for name in (
            "Activation", "Attention", "BatchNorm", "Embedding", "GPT", "LayerNorm", "RMSNorm",
            "Residual", "Sequential", "Transformer",
        )
    },
    "Dense": "vector.Dense", "Parameter": "Value or Array",
    "functional": "nn.losses and the methods of nodes", "DataLoader": DATA["DataLoader"],
    **{name: f"optim.{name}" for name in ("SGD", "Adagrad", "Adam", "AdamW", "RMSprop")},
    **{
        name: f"losses.{name}" for name in ("mse", "mae", "huber", "hinge", "binary_cross_entropy")
    },
    **dict.fromkeys(("train", "Trainer"), "nn.fit"), "predict": "write model.predict(X)",
    "evaluate": "write nn.accuracy(model.predict(X), y)",
    **{name: f"write from stepgrad.draw import {name}" for name in ("draw", "step")},
}  # fmt: skip


# The values of arguments such as `loss="bce"`, in lower case, by the kind that messages name.
VALUES = {
    **{
        kind: {name.lower(): here.rpartition(".")[2] for name, here in names.items()}
        for kind, names in (
            ("loss", LOSSES), ("metric", METRICS), ("init", INITS), ("schedule", SCHEDULES),
        )
    },
    "activation": {
        **dict.fromkeys(("none", "identity", "id", ""), "linear"),
        **dict.fromkeys(("logistic", "expit"), "sigmoid"),
        "swish": "silu", "lrelu": "leaky_relu", "arctan": "atan", "exponential": "exp",
    },
    "optimizer": dict.fromkeys(("gd", "gradient_descent", "momentum"), "sgd"),
    "norm": {"rms": "rms_norm", "layer": "layer_norm", "ln": "layer_norm"},
}  # fmt: skip


def answer_names(module: str, names: dict[str, str]) -> Callable[[str], NoReturn]:
    """Return the `__getattr__` of a module (PEP 562), which answers names of other libraries."""

    def refuse(name: str) -> NoReturn:
        refuse_name(module, name, names)

    return refuse
