// Asks api/whoami over and over and draws a bar for each pod that answers. The
// server closes the connection after each answer, so each question opens a new
// one, for which the Service chooses a pod anew.

const between = 200; // milliseconds from an answer to the next question
const patience = 3000; // milliseconds until a question counts as unanswered
const silence = 15000; // milliseconds after which a pod counts as silent, more with many pods
const memory = 180000; // milliseconds until a silent pod is forgotten: it will not come back
const spoken = 10000; // milliseconds between two summaries, which screen readers speak

const pods = new Map(); // name → {count, heard, silent, row, part}
let clock = 0; // milliseconds spent asking: nobody is silent while nobody asks
let starts = 0; // how often the counting began anew
let asked = 0;
let failures = 0;
let running = true;
let wake = () => {};
let lastSummary = Date.now() - spoken + 3000; // the first is of a few answers already

const element = (id) => document.getElementById(id);
const body = element("pods").tBodies[0];

// hue gives a pod the same colour in every browser and after every reload.
function hue(name) {
  let hash = 2166136261; // FNV-1a
  for (const char of name) {
    hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
  }
  // Names differ in their last letters only: mix, so that their colours differ more.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return ((hash ^ (hash >>> 13)) >>> 0) % 360;
}

// add makes a pod's row, in the order of the names so that rows do not jump.
function add(name, node) {
  const row = element("row").content.firstElementChild.cloneNode(true);
  const part = (what) => row.querySelector(`.${what}`);
  row.dataset.pod = name;
  part("name").textContent = name;
  part("node").textContent = node ? `on ${node}` : "";
  part("bar").style.setProperty("--hue", hue(name));

  const after = [...body.rows].find((other) => other.dataset.pod > name);
  body.insertBefore(row, after ?? null);
  const pod = { count: 0, heard: 0, silent: false, row, part };
  pods.set(name, pod);
  return pod;
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const answering = () => [...pods.values()].filter((pod) => !pod.silent);

// judge finds the pods that are silent, and forgets those that have been for long.
function judge() {
  // Chance alone must not silence a pod: it is asked only once in so many questions.
  const patient = Math.max(silence, 8 * between * answering().length);
  for (const [name, pod] of pods) {
    pod.silent = clock - pod.heard > patient;
    if (clock - pod.heard > patient + memory) {
      pods.delete(name);
      pod.row.remove();
    }
  }
}

function draw() {
  const counts = [...pods.values()].map((pod) => pod.count);
  const most = Math.max(...counts);
  const total = sum(counts);
  for (const pod of pods.values()) {
    pod.row.dataset.count = pod.count;
    pod.row.toggleAttribute("data-silent", pod.silent);
    pod.part("share").textContent = `${Math.round((100 * pod.count) / total)} %`;
    // Of the most, not of all: among fifty pods the bars could not be told apart.
    pod.part("bar").style.width = `${(100 * pod.count) / most}%`;
    pod.part("answers").textContent = pod.count;
  }
  if (Date.now() - lastSummary >= spoken) {
    summarise();
  }
}

function summarise() {
  lastSummary = Date.now();
  const counts = answering().map((pod) => pod.count);
  const number = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
  let text = `${number(sum(counts), "answer")} from ${number(counts.length, "pod")}`;
  if (counts.length > 1) {
    text += `, ${Math.min(...counts)} to ${Math.max(...counts)} each`;
  }
  if (pods.size > counts.length) {
    text += `, ${pods.size - counts.length} silent`;
  }
  if (failures > 0) {
    text += `. ${failures} of ${number(asked, "question")} got no answer`;
  }
  element("summary").textContent = text + (running ? "." : ". Paused.");
}

async function ask() {
  const before = starts;
  const answer = await fetch("api/whoami", { cache: "no-store", signal: AbortSignal.timeout(patience) })
    .then((response) => response.ok && response.json())
    .catch(() => false);
  if (starts !== before) {
    return; // It would count among questions asked later.
  }
  asked++;
  if (!answer) {
    failures++;
    if (failures === 1) {
      summarise(); // This is news; how many there are can wait.
    }
    return;
  }
  const name = answer.pod || "unknown";
  const pod = pods.get(name) ?? add(name, answer.node);
  pod.count++;
  pod.heard = clock;
}

const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));

async function run() {
  for (;;) {
    // A page that nobody sees asks nothing.
    while (!running || document.hidden) {
      await new Promise((resolve) => { wake = resolve; });
    }
    const start = Date.now();
    await ask();
    judge();
    draw();
    // The computer may have slept for longer than a question can take.
    clock += Math.min(Date.now() - start, patience) + between;
    await sleep(between);
  }
}

element("pause").addEventListener("click", () => {
  running = !running;
  element("pause").textContent = running ? "Pause" : "Resume";
  summarise();
  wake();
});

element("reset").addEventListener("click", () => {
  starts++;
  pods.clear();
  body.replaceChildren();
  asked = 0;
  failures = 0;
  summarise();
});

document.addEventListener("visibilitychange", () => wake());

run();
