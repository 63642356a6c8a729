// Draws the OpenAPI document. Text is only ever set as text, so nothing in the document can become markup.

const element = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

/** Words between backticks are set as code. */
const prose = (text) => (text ?? "").split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));

const anchor = (text) => text.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "").toLowerCase();
const nameOf = (ref) => ref.split("/").pop();

/** A schema in a few words, with links to the schemas it names. */
function shape(schema) {
  if (!schema || schema === true) return ["anything"];
  if (schema.$ref) return [element("a", { href: `#schema-${anchor(nameOf(schema.$ref))}` }, nameOf(schema.$ref))];
  const several = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (several) return several.flatMap((one, at) => (at ? [schema.allOf ? " and " : " or ", ...shape(one)] : shape(one)));
  if (schema.type === "array") return ["list of ", ...shape(schema.items)];
  if (Array.isArray(schema.type)) return [schema.type.join(" or ")];
  return [schema.type ?? "anything"];
}

const row = (name, ...rest) => element("tr", {}, element("td", {}, name), element("td", {}, ...rest));

/** The fields of a schema; those of `allOf` parts are shown by their own links. */
function fields(schema) {
  const parts = [schema, ...(schema.allOf ?? [])].filter((part) => part.properties);
  const rows = parts.flatMap((part) =>
    Object.entries(part.properties).map(([name, field]) => {
      const label = (part.required ?? []).includes(name) ? name : `${name}?`;
      const about = field.description ?? field.oneOf?.find((one) => one.description)?.description;
      return row(label, ...shape(field), ...(about ? prose(` · ${about}`) : []));
    }),
  );
  return rows.length ? element("table", {}, ...rows) : null;
}

function body(title, content) {
  const [kind, media] = Object.entries(content ?? {})[0] ?? [];
  return kind ? element("div", {}, element("h4", {}, title), ...shape(media.schema), ` (${kind})`) : null;
}

function operation(path, method, spec) {
  const parameters = (spec.parameters ?? []).map((one) =>
    row(one.required ? one.name : `${one.name}?`, `${one.in}, `, ...shape(one.schema), ...(one.description ? prose(` · ${one.description}`) : [])),
  );
  const answers = Object.entries(spec.responses ?? {}).map(([status, answer]) => {
    const media = Object.values(answer.content ?? {})[0];
    return row(status, ...prose(answer.description), answer.description && media ? " · " : null, ...(media ? shape(media.schema) : []));
  });
  return element(
    "section",
    { id: anchor(`${method}-${path}`) },
    element("h3", {}, element("span", { className: "method" }, method.toUpperCase()), path),
    spec.summary ? element("p", {}, ...prose(spec.summary)) : null,
    spec.description && spec.description !== spec.summary ? element("p", {}, ...prose(spec.description)) : null,
    spec.security?.some((one) => Object.keys(one).length === 0) ? element("p", {}, "Needs no access token.") : null,
    parameters.length ? element("h4", {}, "Parameters") : null,
    parameters.length ? element("table", {}, ...parameters) : null,
    body("Body", spec.requestBody?.content),
    element("h4", {}, "Answers"),
    element("table", {}, ...answers),
  );
}

function schemaSection([name, schema]) {
  const heading = element("h3", {}, name);
  const about = schema.description ? element("p", {}, ...prose(schema.description)) : null;
  return element("section", { id: `schema-${anchor(name)}` }, heading, about, fields(schema) ?? element("p", {}, ...shape(schema)));
}

function draw(api) {
  const page = document.getElementById("page");
  const contents = document.getElementById("contents");
  page.replaceChildren(element("h1", {}, `${api.info.title} ${api.info.version}`), element("p", {}, ...prose(api.info.description)));
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, spec] of Object.entries(methods)) {
      const group = spec.tags?.[0] ?? "other";
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push([path, method, spec]);
    }
  }
  for (const [group, operations] of groups) {
    contents.append(element("h2", {}, group));
    for (const [path, method, spec] of operations) {
      contents.append(element("a", { href: `#${anchor(`${method}-${path}`)}`, title: spec.summary ?? "" }, `${method.toUpperCase()} ${path.replace("/api/v1", "")}`));
      page.append(operation(path, method, spec));
    }
  }
  contents.append(element("h2", {}, "schemas"));
  for (const entry of Object.entries(api.components?.schemas ?? {})) {
    contents.append(element("a", { href: `#schema-${anchor(entry[0])}` }, entry[0]));
    page.append(schemaSection(entry));
  }
  contents.append(element("h2", {}, "problems"));
  for (const [code, meaning] of Object.entries(api["x-problems"] ?? {})) {
    contents.append(element("a", { href: `#problem-${code}` }, code));
    page.append(element("section", { id: `problem-${code}` }, element("h3", {}, code), element("p", {}, ...prose(meaning))));
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

fetch("/api/v1/openapi.json")
  .then((answer) => answer.json())
  .then(draw)
  .catch((fault) => document.getElementById("page").replaceChildren(`The API's description cannot be read: ${fault.message}`));
