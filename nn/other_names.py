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
    **dict.fromkeys(("MSELoss", "mse_loss", "mean_squared_error"), "losses.mse"),
    **dict.fromkeys(("L1Loss", "l1_loss", "mean_absolute_error"), "losses.mae"),
    **dict.fromkeys(("CrossEntropyLoss", "NLLLoss", "nll_loss"), "losses.cross_entropy"),
    **dict.fromkeys(("SmoothL1Loss", "HuberLoss", "huber_loss"), "losses.huber"),
    **dict.fromkeys(
        ("BCEWithLogitsLoss", "BCELoss", "bce", "binary_cross_entropy_with_logits"),
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
PARAMETERS = {  # attributes of layers, with those here of which a layer has at most one
    **dict.fromkeys(("w", "W", "kernel", "coef_", "weight", "weights"), ("weights", "weight")),
    **dict.fromkeys(("b", "biases", "intercept_", "bias"), ("bias",)),
}
OPTIMIZERS = {
    "RMSProp": "RMSprop", "AdaGrad": "Adagrad", "lr_scheduler": "nn.schedules",
    **dict.fromkeys(("clip_grad_norm_", "clip_grad_value_"), "clip_grad_norm or clip_grad_value"),
}  # fmt: skip
SCHEDULES = {
    "StepLR": "schedules.step_decay", "ExponentialLR": "schedules.exponential",
    "CosineAnnealingLR": "schedules.cosine", "LinearLR": "schedules.linear",
    "CosineAnnealingWarmRestarts": "schedules.warm_restarts", "OneCycleLR": "schedules.one_cycle",
    "ReduceLROnPlateau": "schedules.reduce_on_plateau", "LambdaLR": "a function of the step",
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
    "functional": "nn.losses and the methods of nodes", "Adam": "optim.Adam", "SGD": "optim.SGD",
    **{name: f"write from stepgrad.draw import {name}" for name in ("draw", "step")},
}  # fmt: skip


# The values of arguments such as `loss="bce"`, in lower case, by the kind that messages name.
VALUES = {
    "loss": {name.lower(): here.removeprefix("losses.") for name, here in LOSSES.items()}
    | {
        "l2": "mse", "l1": "mae", "nll": "cross_entropy", "log_loss": "cross_entropy",
        **dict.fromkeys(
            ("categorical_crossentropy", "sparse_categorical_crossentropy", "crossentropy", "ce"),
            "cross_entropy",
        ),
        "binary_crossentropy": "binary_cross_entropy", "bce_with_logits": "binary_cross_entropy",
        "squared_error": "mse", "absolute_error": "mae", "smooth_l1": "huber",
    },
    "metric": dict.fromkeys(
        ("acc", "accuracy_score", "binary_accuracy", "categorical_accuracy", "score"), "accuracy"
    ),
    "activation": {
        **dict.fromkeys(("none", "identity", "id", ""), "linear"),
        **dict.fromkeys(("logistic", "expit"), "sigmoid"),
        "swish": "silu", "lrelu": "leaky_relu", "arctan": "atan", "exponential": "exp",
    },
    "init": {
        **dict.fromkeys(("kaiming", "he", "kaiming_normal_"), "he_normal"),
        **dict.fromkeys(("xavier", "glorot", "glorot_normal", "xavier_normal_"), "xavier_normal"),
        "kaiming_normal": "he_normal", "kaiming_uniform": "he_uniform", "random": "normal",
        "kaiming_uniform_": "he_uniform", "glorot_uniform": "xavier_uniform",
        "random_normal": "normal", "random_uniform": "uniform",
    },
    "optimizer": dict.fromkeys(("gd", "gradient_descent", "momentum"), "sgd"),
    "schedule": {name.lower(): here.removeprefix("schedules.") for name, here in SCHEDULES.items()}
    | {"step": "step_decay", "cosine_annealing": "cosine", "plateau": "reduce_on_plateau"},
    "norm": {"rms": "rms_norm", "layer": "layer_norm", "ln": "layer_norm"},
}  # fmt: skip


def answer_names(module: str, names: dict[str, str]) -> Callable[[str], NoReturn]:
    """Return the `__getattr__` of a module (PEP 562), which answers names of other libraries."""

    def refuse(name: str) -> NoReturn:
        refuse_name(module, name, names)

    return refuse
