// The page: what is asked of the server, and what it gave, side by side.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector) => [...document.querySelectorAll(selector)];
const stage = $("#stage");
const at = $("#at");
const PHOTO = "\0photo"; // sides that ask for nothing: no artifact is called so
const TRIES = 8; // of a server that is busy
const OPAQUE = ["background", "highlight", "boxes", "crop"];

const sides = ["left", "right"].map((name) => ({
  chosen: $(`#${name} select`),
  said: $(`#${name} .said`),
  save: $(`#${name} .save`),
  image: $(`.of-${name}`),
  asked: undefined, // an AbortController of what is under way
  made: undefined, // {blob, name}
}));
let served; // what /artifacts said
let photo; // a File

function complain(text) {
  $("#problem").textContent = text;
  $("#problem").hidden = !text;
}

function time(ms) {
  return ms < 1000 ? `${ms.toPrecision(ms < 100 ? 2 : 3)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

const application = () => $("[name=application]:checked").value;

/** The parameters of the application that is chosen; undefined where one is missing. */
function parameters() {
  const chosen = application();
  const given = new URLSearchParams({refine: $("#refine").checked});
  if (!$("#classes").hidden && $("#class").value) given.set("class", $("#class").value);
  given.set("format", OPAQUE.includes(chosen) ? "jpeg" : "png");
  if (chosen === "cutout" || chosen === "background") {
    given.set("clean", $("#clean").checked);
    given.set("alpha_matting", $("#alpha_matting").checked);
  }
  if (chosen === "background") {
    const behind = $("#behind").value;
    if (behind === "picture" && !$("#picture").files.length) return undefined;
    if (behind !== "picture") given.set(behind, $(`#${behind}`).value);
  } else if (chosen === "highlight") {
    given.set("style", $("#style").value);
    given.set("dim", $("#dim").value);
  } else if (chosen === "boxes") {
    given.set("minimum_area", $("#area").value);
  } else if (chosen === "crop") {
    given.set("margin", $("#margin").value);
    if ($("#aspect").value) given.set("aspect", $("#aspect").value);
  }
  return given;
}

function form() {
  const made = new FormData();
  made.append("file", photo, "photo"); // the server needs no names
  if (application() === "background" && $("#behind").value === "picture") {
    made.append("picture", $("#picture").files[0], "picture");
  }
  return made;
}

/** Ask, and ask again while the server is busy. */
async function send(path, signal, busy) {
  for (let left = TRIES; ; left--) {
    const response = await fetch(path, {method: "POST", body: form(), signal});
    if (response.status !== 429 || left === 0) return response;
    busy();
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await new Promise((done) => setTimeout(done, 1000 * seconds));
    signal.throwIfAborted();
  }
}

/** Have a side's picture made. */
async function ask(side) {
  if (!photo) return;
  side.asked?.abort();
  const asked = side.asked = new AbortController();
  side.made = undefined;
  side.save.disabled = true;
  side.said.className = "said";
  if (side.chosen.value === PHOTO) {
    side.said.textContent = "as it was given";
    show(side, photo);
    return;
  }
  const given = parameters();
  if (!given) {
    side.said.textContent = "waiting for a picture";
    return;
  }
  given.set("artifact", side.chosen.value);
  side.said.textContent = "running …";
  side.image.classList.add("old");
  const began = performance.now();
  try {
    const response = await send(`/${application()}?${given}`, asked.signal, () => {
      side.said.textContent = "the server is busy; waiting …";
    });
    if (!response.ok) {
      const {error, remedy} = await response.json();
      throw new Error(`${error} ${remedy}`);
    }
    const blob = await response.blob();
    if (asked.signal.aborted) return;
    const laps = Object.fromEntries((response.headers.get("Server-Timing") ?? "").split(", ")
      .map((lap) => lap.split(";dur=")));
    const kind = blob.type.split("/")[1].replace("jpeg", "jpg");
    const stem = photo.name.replace(/\.\w+$/, "") || "photo";
    side.made = {blob, name: `${stem}-${application()}-${side.chosen.value}.${kind}`};
    side.save.disabled = false;
    say(side, Number(laps.draw), performance.now() - began);
    show(side, blob);
  } catch (error) {
    if (asked.signal.aborted) return;
    side.said.classList.add("bad");
    side.said.textContent = error instanceof TypeError ? "The server can't be reached." : error.message;
    side.image.hidden = true;
  }
}

function say(side, draw, whole) {
  const {bytes} = served.artifacts.find(({name}) => name === side.chosen.value);
  side.said.innerHTML = "<b></b> <span></span>";
  $("b", side.said).textContent = time(draw);
  const size = bytes ? ` · ${(bytes / 1e6).toPrecision(2)} MB` : "";
  $("span", side.said).textContent = `for the mask · ${time(whole)} in all${size}`;
}

function show({image, said}, blob) {
  const old = image.src;
  image.onload = () => {
    image.hidden = false;
    image.classList.remove("old");
    if (old) URL.revokeObjectURL(old);
    const shaped = sides.map((side) => side.image).find((one) => !one.hidden && one.naturalWidth);
    if (shaped) {
      stage.style.setProperty("--ratio", shaped.naturalWidth / shaped.naturalHeight);
    }
  };
  image.onerror = () => {
    image.hidden = true;
    said.textContent = "This browser doesn't show photos of this kind; results are shown.";
  };
  image.src = URL.createObjectURL(blob);
}

/** Take a photo that was chosen, dropped or pasted. */
function take(file) {
  complain("");
  if (file.size > served.max_upload_bytes) {
    complain(`${file.name} is larger than ${served.max_upload_bytes / 1e6} MB, which this server takes.`);
    return;
  }
  photo = file;
  $("#result").hidden = false;
  document.body.classList.add("filled");
  sides.forEach(ask);
}

function save({made}) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(made.blob);
  link.download = made.name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Show the options of the application that is chosen. */
function arrange() {
  const [behind, style] = [$("#behind").value, $("#style").value];
  for (const label of $$("#options [data-of]")) {
    const {of, behind: needsBehind, style: needsStyle} = label.dataset;
    label.hidden = !of.split(" ").includes(application())
      || (needsBehind !== undefined && needsBehind !== behind)
      || (needsStyle !== undefined && needsStyle !== style);
  }
  if (!served.alpha_matting) $("#matting").hidden = true;
  const name = sides[0].chosen.value;
  $("#curl").textContent
    = `curl -F file=@photo.jpg '${location.origin}/${application()}?artifact=${name}' -o result`;
}

let soon;
function changed() {
  arrange();
  clearTimeout(soon);
  soon = setTimeout(() => sides.filter(({chosen}) => chosen.value !== PHOTO).forEach(ask), 250);
}

function slide() {
  stage.style.setProperty("--at", `${at.value}%`);
}

function follow(event) {
  const {left, width} = stage.getBoundingClientRect();
  at.value = (100 * (event.clientX - left)) / width;
  slide();
}

function listen() {
  $("#file").onchange = ({target}) => {
    if (target.files.length) take(target.files[0]);
    target.value = ""; // the same file may be chosen again
  };
  $("#options").onsubmit = (event) => event.preventDefault();
  $("#options").oninput = changed;
  $("#picture").onchange = ({target}) => {
    $("#pictured").textContent = target.files[0]?.name ?? "Choose a picture";
  };
  sides.forEach((side) => {
    side.chosen.onchange = () => {
      arrange();
      ask(side);
    };
    side.save.onclick = () => save(side);
  });

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
    if (file) take(file);
  };
  document.onpaste = (event) => {
    const file = [...event.clipboardData.files].find(({type}) => type.startsWith("image/"));
    if (file) take(file);
  };
}

async function start() {
  const response = await fetch("/artifacts");
  served = await response.json();
  const {artifacts, max_upload_bytes, max_pixels} = served;
  const [first] = artifacts;
  $("#about").textContent = artifacts.length === 1
    ? `${first.name} (${first.kind}), on the machine that runs this server.`
    : `${artifacts.length} artifacts, on the machine that runs this server.`;
  $("#limits").textContent
    = `At most ${max_upload_bytes / 1e6} MB and ${max_pixels / 1e6} million pixels.`;
  for (const {chosen} of sides) {
    chosen.replaceChildren(
      ...artifacts.map(({name}) => new Option(name, name)), new Option("the photo", PHOTO));
  }
  sides[1].chosen.value = PHOTO;
  const labels = artifacts.reduce((most, {labels}) => (labels.length > most.length ? labels : most), []);
  $("#classes").hidden = labels.length < 2;
  $("#class").replaceChildren(
    new Option("all but the first", ""), ...labels.map((label, i) => new Option(label, i)));
  arrange();
  listen();
}

start().catch(() => {
  $("#drop").hidden = true;
  complain("The server can't be reached: is maskport serve still running?");
});
