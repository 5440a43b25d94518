// Has resources of Kubernetes checked against the models of their definitions: stdin has a list of them as JSON, stdout
// what became of each. A model is an npm package's class and interface of the resource's kind.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import ts from "typescript";

// Where the models of a group are.
const packages = {
  "apps": "kubernetes-models",
  "extensions.istio.io": "@kubernetes-models/istio",
  "gateway.envoyproxy.io": "@kubernetes-models/envoy-gateway",
  "networking.istio.io": "@kubernetes-models/istio",
  "v1": "kubernetes-models",
};

const options = {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  types: [],
};

function pathOf({ apiVersion, kind }) {
  const group = apiVersion.split("/")[0];
  if (!packages[group]) throw new Error(`no models of ${group}`);
  return `${packages[group]}/${apiVersion}/${kind}`;
}

// The class checks what is there: types, words, lengths. Unknown keys it lets pass.
async function validate(manifest) {
  const { [manifest.kind]: Model } = await import(pathOf(manifest));
  new Model(manifest).validate();
}

// To the compiler a key of a literal that the interface does not have is a mistake. What it says of each resource.
function compile(manifests) {
  const source = (manifest) =>
    `export const it: import("${pathOf(manifest)}").I${manifest.kind} = ${JSON.stringify(manifest)};\n`;
  const sources = new Map(manifests.map((each, number) => [join(process.cwd(), `${number}.mts`), source(each)]));
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (name) => sources.has(name) || fileExists(name);
  host.getSourceFile = (name, ...more) =>
    sources.has(name) ? ts.createSourceFile(name, sources.get(name), options.target) : getSourceFile(name, ...more);
  const program = ts.createProgram([...sources.keys()], options, host);
  const said = (name) => ts.getPreEmitDiagnostics(program, program.getSourceFile(name));
  return [...sources.keys()].map((name) =>
    said(name).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " ")),
  );
}

const manifests = JSON.parse(readFileSync(0, "utf8"));
const complaints = compile(manifests);
const answers = [];
for (const [number, manifest] of manifests.entries()) {
  try {
    if (complaints[number].length) throw new Error(`typescript: ${complaints[number].join("; ")}`);
    await validate(manifest);
    answers.push({ ok: true });
  } catch (error) {
    answers.push({ ok: false, error: `${manifest.kind}: ${error.message}` });
  }
}
process.stdout.write(JSON.stringify(answers));
