// Runs artifacts, one after the other, so that the page can be used meanwhile.

import * as ort from "onnxruntime-web/webgpu";
import mjs from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";

ort.env.wasm.wasmPaths = {mjs, wasm}; // from our own host

// Of each target what copy_bundle.py wrote: the code of `maskport snippet`.
const modules = import.meta.glob("./generated/*.js");
const segmenters = new Map();
let photo;
let masks = new Map(); // of this photo

/** What is made of a key, once; what failed is tried again the next time. */
function once(made, key, make) {
  if (!made.has(key)) {
    made.set(key, make().catch((error) => {
      made.delete(key);
      throw error;
    }));
  }
  return made.get(key);
}

/** The code and the session of an artifact, and the milliseconds that took. */
async function loaded({target, type, address, providers}) {
  const start = performance.now();
  const code = await modules[`./generated/${target}.js`]();
  const segmenter = await code[type].create(address, providers);
  // WebGPU compiles its shaders in the first run.
  if (segmenter.provider === "webgpu") await segmenter.run(code.inputOf(photo));
  return {code, segmenter, load: performance.now() - start};
}

/** The planes of the photo, and the milliseconds that the network took. */
async function segmented({code, segmenter}) {
  const values = code.inputOf(photo);
  const start = performance.now();
  const planes = await segmenter.run(values);
  return {planes, inference: performance.now() - start};
}

async function answer(asked) {
  const key = `${asked.target} ${asked.providers}`;
  const {code, segmenter, load} = await once(segmenters, key, () => loaded(asked));
  const found = await once(masks, key, () => segmented({code, segmenter}));
  const plane = found.planes[asked.label];
  const cutout = code.cutout(photo, plane, code.WIDTH, code.HEIGHT).transferToImageBitmap();
  const {provider} = segmenter;
  const threads = provider === "wasm" ? ort.env.wasm.numThreads : undefined;
  postMessage({asked, cutout, plane, provider, threads, load, inference: found.inference}, [cutout]);
}

let latest = 0;
let last = Promise.resolve();
self.onmessage = ({data}) => {
  latest = Math.max(latest, data.id);
  last = last.then(async () => {
    if (data.id < latest) return; // another photo has come since
    if (data.photo) {
      photo = data.photo;
      masks = new Map();
      return;
    }
    await answer(data).catch((error) => {
      postMessage({asked: data, error: error.message ?? String(error)});
    });
  });
};
