"use strict";
// The interface, drawn from its own description, so that the two cannot disagree.

const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

const typeOf = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => (value === null ? "null" : value)).join(" | ");
  if (schema.oneOf) return schema.oneOf.map(typeOf).join(" | ");
  if (schema.allOf) return schema.allOf.map(typeOf).join(" & ");
  if (schema.items) return `${typeOf(schema.items)}[]`;
  return [schema.type].flat().join(" | ");
};

/** What is wide is scrolled, also by keys. */
const command = (text) => make("pre", text, { tabindex: "0" });

const table = (of, heads, rows) => {
  const frame = make("div", undefined, { class: "scroll", tabindex: "0", role: "region", "aria-label": `${of}: ${heads.join(", ")}` });
  const element = make("table");
  const head = make("tr");
  heads.forEach((text) => head.append(make("th", text, { scope: "col" })));
  element.append(make("thead"));
  element.tHead.append(head);
  const body = make("tbody");
  for (const row of rows) {
    const line = make("tr");
    row.forEach((text, place) => {
      const cell = make(place === 0 ? "th" : "td", undefined, place === 0 ? { scope: "row" } : {});
      cell.append(place < 2 ? make("code", text) : text);
      line.append(cell);
    });
    body.append(line);
  }
  element.append(body);
  frame.append(element);
  return frame;
};

const operation = (path, method, what) => {
  const section = make("section", undefined, { id: what.operationId, class: "panel" });
  const heading = make("h2");
  heading.append(make("code", `${method.toUpperCase()} ${path}`));
  section.append(heading, make("p", what.summary, { class: "summary" }));
  if (what.description) section.append(make("p", what.description));
  const parameters = what.parameters ?? [];
  if (parameters.length) {
    section.append(table(`${method.toUpperCase()} ${path}`, ["parameter", "type", "meaning"], parameters.map((parameter) => {
      const { schema } = parameter;
      const bounds = schema.minimum !== undefined && schema.maximum !== undefined ? ` ${schema.minimum} to ${schema.maximum}.` : "";
      const otherwise = schema.default !== undefined ? ` Otherwise ${schema.default}.` : "";
      return [parameter.name, typeOf(schema), `${parameter.required ? "Needed. " : ""}${parameter.description}${bounds}${otherwise}`];
    })));
  }
  const media = Object.values(what.responses).flatMap((response) => Object.entries(response.content ?? {}));
  const types = media.map(([type, { schema }]) => `${type}: ${typeOf(schema)}`).filter((text) => !text.includes("problem"));
  if (types.length) section.append(make("p", `Answers ${[...new Set(types)].join("; ")}.`, { class: "quiet" }));
  const example = ["stream", "ws"].includes(what.operationId) ? `curl -N ${location.origin}${path}` : `curl ${location.origin}${path}`;
  const body = what.requestBody?.content["application/json"]?.example;
  if (body) section.append(command(`curl ${location.origin}${path} -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`));
  if (method === "get" && what.operationId !== "ws") section.append(command(example));
  return section;
};

const schema = (name, what) => {
  const section = make("section", undefined, { id: name, class: "panel" });
  section.append(make("h3", name));
  if (what.description) section.append(make("p", what.description));
  if (what.properties) {
    section.append(table(name, ["member", "type", "meaning"],
      Object.entries(what.properties).map(([member, of]) => [member, typeOf(of), of.description ?? ""])));
  } else {
    section.append(make("p", typeOf(what)));
  }
  return section;
};

const draw = async () => {
  const main = document.getElementById("docs");
  try {
    const description = await (await fetch("/v1/openapi.json")).json();
    main.append(make("p", description.info.description));
    for (const [path, methods] of Object.entries(description.paths)) {
      for (const [method, what] of Object.entries(methods)) main.append(operation(path, method, what));
    }
    main.append(make("h2", "What answers are made of"));
    for (const [name, what] of Object.entries(description.components.schemas)) main.append(schema(name, what));
  } catch (error) {
    main.append(make("p", `The description could not be read: ${error.message}`, { role: "alert" }));
  }
  main.setAttribute("aria-busy", "false");
};
draw();
