// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** A fake API that returns generated numbers in the form of the real one. */

import { addDays, countDays, parseDay } from "@js/invenio_stats_dashboard/format/dates";

export const TODAY = "2026-11-26";

export const METRICS = {
  views: metric("Views", "usage", "flow", "Views of record pages."),
  downloads: metric("Downloads", "usage", "flow", "Downloads of files."),
  view_visitors: metric(
    "Visitors per day (added up)",
    "usage",
    "flow",
    "Visitors, counted anew each day."
  ),
  downloaded_volume: metric(
    "Downloaded data",
    "usage",
    "flow",
    "Total bytes downloaded.",
    "bytes"
  ),
  viewed_records: metric("Viewed records", "usage", "distinct", "Different records."),
  records: metric("Records", "records", "level", "Records at the end of the period."),
  records_added: metric("Records added", "records", "flow", "Records added."),
  stored_volume: metric(
    "Stored data",
    "records",
    "level",
    "Total size of the files.",
    "bytes"
  ),
  uploaders: {
    ...metric("Uploaders", "records", "level", "Different owners of the records."),
    cells: false,
  },
};

export const BREAKDOWNS = {
  resource_types: {
    label: "Resource types",
    singular: "Resource type",
    fields: ["metadata.resource_type"],
    text: null,
    vocabulary: "resourcetypes",
    event: false,
  },
  access_statuses: {
    label: "Access",
    singular: "Access status",
    fields: ["access.status"],
    event: false,
  },
  subjects: {
    label: "Subjects",
    singular: "Subject",
    fields: ["metadata.subjects"],
    text: "subject",
    vocabulary: "subjects",
    event: false,
  },
  languages: {
    label: "Languages",
    singular: "Language",
    fields: ["metadata.languages"],
    vocabulary: "languages",
    event: false,
  },
  funders: {
    label: "Funders",
    singular: "Funder",
    fields: ["metadata.funding.funder"],
    text: "name",
    vocabulary: "funders",
    event: false,
  },
  file_types: {
    label: "File types",
    singular: "File type",
    fields: ["files.types"],
    event: false,
  },
  countries: { label: "Countries", singular: "Country", fields: [], event: true },
  referrers: { label: "Referrers", singular: "Referrer", fields: [], event: true },
  agents: {
    label: "Humans and machines",
    singular: "Visitor type",
    fields: [],
    event: true,
  },
};

const CELLS = {
  resource_types: [
    ["dataset", "Dataset"],
    ["publication-article", "Journal article"],
    ["software", "Software"],
    ["image-photo", "Photo"],
    ["presentation", "Presentation"],
    ["publication-thesis", "Thesis"],
    ["other", "Other"],
  ],
  access_statuses: [
    ["open", "Open"],
    ["restricted", "Restricted"],
    ["metadata-only", "Metadata-only"],
    ["embargoed", "Embargoed"],
  ],
  subjects: [
    ["https://id.nlm.nih.gov/mesh/D000067398", "Oceanography"],
    ["climate", "climate"],
    ["marine biology", "marine biology"],
    [
      "https://example.org/9",
      "A subject whose name is so long that no column can hold it whole",
    ],
    ["sediment", "sediment"],
    ["salinity", "salinity"],
    ["plankton", "plankton"],
    ["unknown", "Unknown"],
    ["ice", "ice"],
    ["wind", "wind"],
    ["waves", "waves"],
    ["tides", "tides"],
  ],
  languages: [
    ["eng", "English"],
    ["deu", "German"],
    ["fra", "French"],
    ["unknown", "Unknown"],
  ],
  funders: [
    ["00k4n6c32", "European Commission"],
    ["018mejw64", "Deutsche Forschungsgemeinschaft"],
    ["021nxhr62", "National Science Foundation"],
  ],
  file_types: [
    ["pdf", "PDF"],
    ["csv", "CSV"],
    ["nc", "NC"],
    ["zip", "ZIP"],
    ["tiff", "TIFF"],
  ],
  countries: [
    ["US", "United States"],
    ["DE", "Germany"],
    ["CN", "China"],
    ["FR", "France"],
    ["GB", "United Kingdom"],
    ["IN", "India"],
    ["BR", "Brazil"],
    ["SG", "Singapore"],
    ["CH", "Switzerland"],
    ["ZA", "South Africa"],
    ["AU", "Australia"],
    ["JP", "Japan"],
    ["CA", "Canada"],
    ["unknown", "Unknown"],
  ],
  referrers: [
    ["unknown", "Unknown"],
    ["www.google.com", "www.google.com"],
    ["scholar.google.com", "scholar.google.com"],
    ["doi.org", "doi.org"],
    ["en.wikipedia.org", "en.wikipedia.org"],
  ],
  agents: [
    ["human", "Humans"],
    ["machine", "Machines"],
  ],
};

const SIZES = {
  views: 420,
  downloads: 130,
  view_visitors: 210,
  downloaded_volume: 3.1e9,
  viewed_records: 90,
  records: 4120,
  records_added: 3,
  stored_volume: 2.4e12,
  uploaders: 73,
};

function metric(label, of, kind, definition, unit = "count") {
  return { label, of, kind, unit, definition };
}

/** Return the settings of a page that uses this API, as data attributes. */
export const dataset = (layout, more = {}) => ({
  endpoint: "/api/stats-dashboard/communities/ocean",
  community: JSON.stringify({ id: "c1", slug: "ocean", title: "Ocean data" }),
  searchUrl: "/communities/ocean/records",
  locale: "en",
  canManage: "true",
  defaults: JSON.stringify({ range: "30d" }),
  metrics: JSON.stringify(METRICS),
  breakdowns: JSON.stringify(BREAKDOWNS),
  layout: JSON.stringify(layout),
  ...more,
});

const RANGES = {
  "7d": 7,
  "30d": 30,
  "90d": 90,
  "12mo": 365,
  "ytd": 330,
  "mtd": 26,
  "all": 2300,
};

const dayValue = (metric, day, salt = 0) => {
  const number = parseDay(day).getTime() / 86400000;
  const week = 1 - 0.35 * Number([0, 6].includes(parseDay(day).getUTCDay()));
  const noise = 0.8 + 0.4 * (((number * 7919 + salt * 104729) % 997) / 997);
  const growth = 0.4 + (number - 18000) / 4200;
  return Math.max(0, Math.round((SIZES[metric] / (salt + 1)) * week * noise * growth));
};

const levelValue = (metric, day, salt = 0) => {
  const number = parseDay(day).getTime() / 86400000;
  return Math.round((SIZES[metric] / (salt + 1)) * (0.2 + (number - 18000) / 3200));
};

const bucketsOf = (from, to, interval) => {
  const buckets = [];
  let start = from;
  while (start <= to) {
    const moment = parseDay(start);
    let end;
    if (interval === "day") {
      end = start;
    } else if (interval === "week") {
      end = addDays(start, (7 - (moment.getUTCDay() || 7)) % 7);
    } else {
      const months = { month: 1, quarter: 3, year: 12 }[interval];
      const month = Math.floor(moment.getUTCMonth() / months) * months + months;
      end = new Date(Date.UTC(moment.getUTCFullYear(), month, 0))
        .toISOString()
        .slice(0, 10);
    }
    end = end > to ? to : end;
    buckets.push({ start, end });
    start = addDays(end, 1);
  }
  return buckets;
};

const valuesFor = (metric, buckets, salt, cumulative) => {
  const { kind } = METRICS[metric];
  let running = 0;
  return buckets.map(({ start, end }) => {
    if (kind === "level") {
      return levelValue(metric, end, salt);
    }
    let sum = 0;
    for (let day = start; day <= end; day = addDays(day, 1)) {
      sum += dayValue(metric, day, salt);
    }
    running += sum;
    return cumulative ? running : sum;
  });
};

const seriesFor = (metric, breakdown, id, label, buckets, salt, cumulative) => {
  const values = valuesFor(metric, buckets, salt, cumulative);
  const flow = METRICS[metric].kind === "flow" && !cumulative;
  return {
    metric,
    breakdown,
    id,
    label,
    values,
    total: flow
      ? values.reduce((sum, value) => sum + value, 0)
      : values[values.length - 1],
  };
};

const period = (parameters, from, to, interval) => {
  const buckets = bucketsOf(from, to, interval);
  const metrics = parameters.get("metrics").split(",");
  const cumulative = parameters.get("cumulative") === "true";
  const series = metrics.map((key) =>
    seriesFor(key, null, null, null, buckets, 0, cumulative)
  );
  const breakdown = parameters.get("breakdown");
  const cells = breakdown ? CELLS[breakdown] : [];
  const top = Number(parameters.get("top") || 10);
  if (breakdown) {
    metrics.forEach((key) => {
      cells
        .slice(0, top)
        .forEach(([id, label], place) =>
          series.push(
            seriesFor(key, breakdown, id, label, buckets, place + 1, cumulative)
          )
        );
      if (cells.length > top) {
        series.push(
          seriesFor(key, breakdown, "_other", "Others", buckets, 3, cumulative)
        );
      }
    });
  }
  return {
    from,
    to,
    buckets,
    totals: Object.fromEntries(
      series.filter((s) => !s.breakdown).map((s) => [s.metric, s.total])
    ),
    series,
    cells: breakdown
      ? {
          [breakdown]: {
            label: breakdown,
            values: cells.length,
            listed: Math.min(top, cells.length),
          },
        }
      : {},
  };
};

/** Return the answer to an address, as an object. */
export const answerTo = (url, more = {}) => {
  const { pathname, searchParams: parameters } = new URL(url, "http://localhost");
  const to = parameters.get("to") || TODAY;
  const from =
    parameters.get("from") || addDays(to, 1 - RANGES[parameters.get("range") || "30d"]);
  if (pathname.endsWith("/records")) {
    const by = parameters.get("by");
    return {
      from,
      to,
      by,
      rows: [
        "Sea surface temperature of the North Atlantic 1990–2020, daily means on a grid of a quarter of a degree",
        null,
        "Sediment cores",
        "Plankton photographs",
      ].map((title, index) => ({
        rank: index + 1,
        recid: title ? `abcde-1234${index}` : null,
        title,
        visible: Boolean(title),
        [by]: 900 - index * 170,
      })),
      total: 2000,
    };
  }
  const days = countDays(from, to);
  const interval =
    parameters.get("interval") ||
    (days <= 92 ? "day" : days <= 1100 ? "month" : "year");
  const { cells, ...current } = period(parameters, from, to, interval);
  const compare = parameters.get("compare");
  const shift = compare === "year" ? 365 : days;
  return {
    community: { id: "c1", slug: "ocean", title: "Ocean data" },
    interval,
    basis: parameters.get("basis") || "added",
    cumulative: parameters.get("cumulative") === "true",
    ...current,
    metrics: Object.fromEntries(
      parameters
        .get("metrics")
        .split(",")
        .map((key) => [key, METRICS[key]])
    ),
    breakdowns: cells,
    comparison: compare
      ? period(parameters, addDays(from, -shift), addDays(to, -shift), interval)
      : null,
    bounds: { first: "2020-08-12", last: TODAY },
    data_as_of: `${TODAY}T21:00:00+00:00`,
    late: null,
    robots: "Known robots are not counted.",
    corrections: [],
    links: {},
    ...more,
  };
};

/** Return a `fetch` with these answers; `change` can replace answer or response. */
export const fakeFetch = (change = (answer) => answer) => {
  const requested = [];
  const fetch = async (url, options = {}) => {
    requested.push(url);
    await Promise.resolve();
    if (options.signal && options.signal.aborted) {
      throw Object.assign(new Error("aborted"), { name: "AbortError" });
    }
    const answer = await change(answerTo(url), url);
    return answer instanceof Response
      ? answer
      : new Response(JSON.stringify(answer), { status: 200 });
  };
  return { fetch, requested };
};

export const LAYOUT = [
  {
    id: "overview",
    label: "Overview",
    rows: [
      [{ kind: "figures" }],
      [{ kind: "chart" }],
      [
        { kind: "records", width: 8, by: "views" },
        { kind: "records", width: 8, by: "downloads" },
      ],
      [
        { kind: "breakdown", breakdown: "resource_types", width: 8 },
        { kind: "breakdown", breakdown: "subjects", width: 8 },
      ],
    ],
  },
  {
    id: "usage",
    label: "Traffic",
    rows: [
      [{ kind: "map" }],
      [
        { kind: "breakdown", breakdown: "referrers", width: 8 },
        { kind: "breakdown", breakdown: "agents", width: 8 },
      ],
      [
        { kind: "breakdown", breakdown: "file_types", width: 8 },
        { kind: "text", width: 8, heading: "About", text: "One.\n\nTwo." },
      ],
    ],
  },
];
