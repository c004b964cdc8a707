// The page: what is asked for, and what is shown. Masks come from worker.js.

// What copy_bundle.py wrote; nothing before it ran.
const [bundle] = Object.values(
  import.meta.glob("./generated/bundle.json", {eager: true, import: "default"}));
const PROVIDERS = {webgpu: "WebGPU", wasm: "WebAssembly"};
const PHOTO = "photo"; // a side that shows it as it is

const $ = (selector, within = document) => within.querySelector(selector);
const stage = $("#stage");
const at = $("#at");
const worker = new Worker(new URL("./worker.js", import.meta.url), {type: "module"});
const sides = ["left", "right"].map((name) => ({
  chosen: $(`#${name} select`),
  said: $(`#${name} .said`),
  save: $(`#${name} .save`),
  canvas: $(`.of-${name}`),
  picture: undefined, // an ImageBitmap, once it is there
  plane: undefined,
}));
let photo; // {id, bitmap, name}

function complain(text) {
  $("#problem").textContent = text;
  $("#problem").hidden = !text;
}

function time(ms) {
  return ms < 1000 ? `${ms.toPrecision(ms < 100 ? 2 : 3)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Take a photo: of a file that was chosen or dropped, or a sample. */
async function take(blob, name) {
  complain("");
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob); // upright
  } catch {
    complain(`This browser can't read ${name}. Give it a JPEG, PNG or WebP file.`);
    return;
  }
  photo = {id: (photo?.id ?? 0) + 1, bitmap, name: name.replace(/\.\w+$/, "")};
  stage.style.setProperty("--ratio", bitmap.width / bitmap.height);
  $("#result").hidden = false;
  document.body.classList.add("filled");
  worker.postMessage({id: photo.id, photo: bitmap});
  sides.forEach(ask);
}

/** Have a side's picture made. */
function ask(side) {
  if (!photo) return;
  side.picture = side.plane = undefined;
  side.said.className = "said";
  if (side.chosen.value === PHOTO) {
    side.picture = photo.bitmap;
    side.said.textContent = `${photo.bitmap.width} × ${photo.bitmap.height} pixels`;
  } else {
    const {target, type, file, bytes} = bundle.artifacts.find((a) => a.target === side.chosen.value);
    side.said.textContent = "running …";
    worker.postMessage({
      id: photo.id,
      side: sides.indexOf(side),
      target,
      type,
      bytes,
      address: new URL(file, document.baseURI).href,
      providers: $("#providers").value.split(","),
      label: Number($("#label").value),
    });
  }
  draw(side);
}

worker.onmessage = ({data: {asked, error, ...found}}) => {
  const side = sides[asked.side];
  const wanted = [photo.id, side.chosen.value, $("#providers").value, $("#label").value];
  if (String(wanted) !== String([asked.id, asked.target, asked.providers, asked.label])) return;
  side.said.classList.toggle("bad", Boolean(error));
  if (error) {
    side.said.textContent = `${asked.target} can't be run: ${error}`;
    return;
  }
  const threads = found.threads ? `, ${found.threads} thread${found.threads > 1 ? "s" : ""}` : "";
  side.said.innerHTML = "<b></b> <span></span> · <span></span>";
  $("b", side.said).textContent = time(found.inference);
  const [where, load] = side.said.querySelectorAll("span");
  where.textContent = `on ${PROVIDERS[found.provider]}${threads}`;
  load.textContent = `${(asked.bytes / 1e6).toPrecision(2)} MB, loaded in ${time(found.load)}`;
  side.picture = found.cutout;
  side.plane = found.plane;
  draw(side);
};
worker.onerror = (event) => complain(`The worker stopped: ${event.message ?? "it didn't load"}.`);

function draw(side) {
  const {canvas, picture} = side;
  side.save.disabled = !side.plane;
  canvas.hidden = !picture;
  if (picture) {
    canvas.width = picture.width;
    canvas.height = picture.height;
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    if (side.plane && $("#view :checked").value === "mask") {
      context.globalCompositeOperation = "source-in";
      context.fillStyle = "white";
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
  }
  stage.classList.toggle("masks", $("#view :checked").value === "mask");
  $("#difference").textContent = difference(...sides.map(({plane}) => plane));
}

/** What two masks differ by, in words. */
function difference(one, other) {
  if (!one || !other) return "";
  const apart = one.map((value, i) => Math.abs(value - other[i]));
  const mean = apart.reduce((sum, value) => sum + value, 0) / apart.length;
  const most = apart.reduce((a, b) => Math.max(a, b), 0);
  const said = (value) => (value < 1e-4 ? "less than 0.0001" : value.toFixed(4));
  if (most === 0) return "The masks are equal.";
  return `The masks differ by ${said(mean)} on average, ${said(most)} at most.`;
}

async function save({canvas, chosen}) {
  const link = document.createElement("a");
  const blob = await new Promise((done) => canvas.toBlob(done));
  link.href = URL.createObjectURL(blob);
  link.download = `${photo.name}-${chosen.value}.png`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function slide() {
  stage.style.setProperty("--at", `${at.value}%`);
}

function follow(event) {
  const {left, width} = stage.getBoundingClientRect();
  at.value = (100 * (event.clientX - left)) / width;
  slide();
}

function options(select, rows) {
  select.replaceChildren(...rows.map(([value, text]) => new Option(text, value)));
}

function start() {
  const {network, artifacts, labels, license, width, height, photos} = bundle;
  $("#about").textContent = `${network} at ${width} × ${height}, run by onnxruntime-web.`
    + ` License of its weights: ${license}.`;
  const rows = artifacts.map(({target}) => [target, target]);
  sides.forEach(({chosen}) => options(chosen, [...rows, [PHOTO, "the photo"]]));
  sides[1].chosen.selectedIndex = Math.max(1, artifacts.length - 1); // of one, the photo
  options($("#label"), labels.map((label, i) => [i, label]));
  $("#label").parentElement.hidden = labels.length === 1;
  $("#samples").replaceChildren(...photos.map((path, i) => {
    const button = document.createElement("button");
    const image = new Image();
    [image.src, image.alt] = [path, `Generated photo ${i + 1}`];
    button.append(image);
    button.onclick = async () => take(await (await fetch(path)).blob(), path.split("/").pop());
    return button;
  }));

  $("#file").onchange = ({target}) => {
    if (target.files.length) take(target.files[0], target.files[0].name);
    target.value = ""; // the same file may be chosen again
  };
  sides.forEach((side) => {
    side.chosen.onchange = () => ask(side);
    side.save.onclick = () => save(side);
  });
  $("#label").onchange = $("#providers").onchange = () => sides.forEach(ask);
  $("#view").onchange = () => sides.forEach(draw);

  at.oninput = slide;
  stage.onpointerdown = (event) => {
    stage.setPointerCapture(event.pointerId);
    event.preventDefault();
    at.focus({focusVisible: false});
    follow(event);
  };
  stage.onpointermove = (event) => {
    if (stage.hasPointerCapture(event.pointerId)) follow(event);
  };

  document.ondragover = (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  };
  document.ondragleave = (event) => {
    if (!event.relatedTarget) document.body.classList.remove("over");
  };
  document.ondrop = (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) take(file, file.name);
  };
}

if (bundle) {
  start();
} else {
  $("#drop").hidden = true;
  complain("There is no bundle in this app yet: run python examples/copy_bundle.py BUNDLE web.");
}
