"""Loads one file in whatever release of its runtime this interpreter has, and draws masks.

    python in_release.py FILE IMAGES.npy MASKS.npy

Images are (N, 3, H, W) in [0, 1], masks (N, C, H, W). It prints ``loaded``, or ``refused`` and the
runtime's reason. It needs NumPy and the runtime, and knows nothing of maskport: it does what an
app does that has only the file.
"""

import os
import sys

import numpy as np


def onnx(path):
    import onnxruntime

    if os.path.isdir(path):
        path = os.path.join(path, "model.ort")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda image: session.run(["mask"], {"image": image})[0]


def tflite(path):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter

    interpreter = Interpreter(model_path=path)
    interpreter.allocate_tensors()
    run = interpreter.get_signature_runner("serving_default")
    whole = run.get_input_details()["image"]["dtype"] == np.uint8

    def draw(image):
        photo = image.transpose(0, 2, 3, 1)
        mask = run(image=np.rint(photo * 255).astype(np.uint8) if whole else photo)["mask"]
        return (mask / np.float32(255) if mask.dtype == np.uint8 else mask).transpose(0, 3, 1, 2)

    return draw


def main(path, images, masks):
    try:
        draw = (tflite if path.endswith(".tflite") else onnx)(path)
    except ImportError:
        raise  # says nothing of the file
    except Exception as exc:
        print("refused", " ".join(str(exc).split()))
        return
    drawn = [draw(np.ascontiguousarray(image[None])) for image in np.load(images)]
    np.save(masks, np.concatenate(drawn).astype(np.float32))
    print("loaded")


if __name__ == "__main__":
    main(*sys.argv[1:])
