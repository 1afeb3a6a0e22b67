// Log lines are JSON on standard output, one object a line.
import { configure, getConsoleSink, getJsonLinesFormatter, getLogger } from "@logtape/logtape";

export const log = getLogger(["fediflow"]);

// Fedify reports every answer below 500 as a warning or less; strangers could fill the
// log with those, so only its errors are kept. What fails in a request is reported by
// http.js, once.
export async function startLogging() {
  await configure({
    sinks: { console: getConsoleSink({ formatter: getJsonLinesFormatter() }) },
    loggers: [
      { category: ["fediflow"], lowestLevel: "info", sinks: ["console"] },
      { category: ["fedify"], lowestLevel: "error", sinks: ["console"] },
      { category: ["fedify", "federation", "http"], lowestLevel: "fatal", parentSinks: "override", sinks: ["console"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["console"] },
    ],
  });
}
