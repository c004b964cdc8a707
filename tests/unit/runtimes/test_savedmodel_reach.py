"""SavedModels whose operations reach beyond the file are known before they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.inspect.savedmodel_reach import reaching
from maskport.artifacts.manifest import Artifact
from maskport.errors import RunnerError
from maskport.runtimes.runners import runner_for

from ...sdks import needed

pytestmark = pytest.mark.sdk

Drawing = Callable[[Any], Any]


@pytest.fixture(scope="module")
def tf() -> Any:
    return needed("tensorflow", "tflite")


@pytest.fixture
def saved(tf: Any, tmp_path: Path) -> Callable[..., Path]:
    """A SavedModel with a variable, whose signature does something on the way."""

    def save(on_the_way: Drawing, **assets: Any) -> Path:
        class Module(tf.Module):
            def __init__(self) -> None:
                super().__init__()
                self.factor = tf.Variable(0.5)
                for name, value in assets.items():
                    setattr(self, name, value)

            @tf.function(input_signature=[tf.TensorSpec([1, 4, 4, 3], name="image")])
            def draw(self, image):  # type: ignore[no-untyped-def]
                return {"mask": on_the_way(image)[..., :1] * self.factor}

        module = Module()
        path = tmp_path / "saved"
        tf.saved_model.save(module, str(path), signatures={"serving_default": module.draw})
        return path

    return save


def test_variables_tables_and_random_numbers_are_within(tf: Any, saved: Any) -> None:
    values = tf.lookup.KeyValueTensorInitializer([1], [2])
    table = tf.lookup.StaticHashTable(values, 0)

    def noisy(image: Any) -> Any:
        return image + tf.random.uniform([]) * tf.cast(table.lookup(tf.constant(1)), tf.float32)

    assert reaching(saved(noisy, table=table)) == []


def test_files_of_older_tensorflow_are_within(tf: Any, tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.float32, [1, 4, 4, 3])
        mask = image * v1.get_variable("factor", [1])
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "old"), {"i": image}, {"m": mask})
    assert reaching(tmp_path / "old") == []


def test_what_writes_is_refused_and_nothing_is_run(
    tf: Any, saved: Any, tmp_path: Path, artifact: Callable[..., Artifact]
) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("precious")

    def writing(image: Any) -> Any:
        tf.io.write_file(str(theirs), "overwritten")
        return image

    path = saved(writing)
    assert reaching(path) == ["WriteFile"]
    with (
        pytest.raises(RunnerError, match="WriteFile"),
        runner_for(artifact("savedmodel", "NHWC"), path, 1),
    ):
        pass
    assert theirs.read_text() == "precious"


@pytest.mark.parametrize("kind", ["python", "read", "print"])
def test_other_ways_out(kind: str, tf: Any, saved: Any, tmp_path: Path) -> None:
    def out(image: Any) -> Any:
        if kind == "python":
            return tf.ensure_shape(tf.numpy_function(lambda x: x, [image], tf.float32), image.shape)
        if kind == "read":
            text = tf.io.read_file("/etc/passwd")
            return image + tf.cast(tf.strings.length(text), tf.float32)
        tf.print(image, output_stream=f"file://{tmp_path}/out")
        return image

    found = reaching(saved(out))
    assert found == {"python": ["PyFunc"], "read": ["ReadFile"], "print": ["PrintV2"]}[kind]


def test_a_file_that_writes_when_it_is_loaded(tf: Any, saved: Any, tmp_path: Path) -> None:
    listed = tmp_path / "table.txt"
    listed.write_text("1 2\n")
    values = tf.lookup.TextFileInitializer(str(listed), tf.int64, 0, tf.int64, 1, delimiter=" ")
    table = tf.lookup.StaticHashTable(values, 0)

    def looked_up(image: Any) -> Any:
        found = table.lookup(tf.constant(1, tf.int64))
        return image * tf.cast(found, tf.float32)

    assert reaching(saved(looked_up, table=table)) == ["InitializeTableFromTextFileV2"]


def test_restoring_may_read_and_not_write(tf: Any, saved: Any) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    path = saved(lambda image: image)
    file = path / "saved_model.pb"
    message = saved_model_pb2.SavedModel()
    message.ParseFromString(file.read_bytes())
    graph = message.meta_graphs[0]
    (restore,) = [n for n in graph.graph_def.node if n.name == graph.saver_def.restore_op_name]
    save = graph.graph_def.node.add(name="save_now", op="SaveV2")
    restore.input.append(f"^{save.name}")
    file.write_bytes(message.SerializeToString())
    assert reaching(path) == ["SaveV2"]
