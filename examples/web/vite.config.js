import {defaultClientConditions, defineConfig} from "vite";

// With these, a page may share memory between threads; without, WebAssembly has one.
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  base: "./", // the built app runs in any folder of a server
  server: {headers},
  preview: {headers},
  worker: {format: "es"},
  // onnxruntime-web without a copy of its .mjs inside: src/worker.js says where that is.
  resolve: {conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions]},
  optimizeDeps: {exclude: ["onnxruntime-web"]},
});
