// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

/** The root component of the statistics pages. */

import PropTypes from "prop-types";
import React, { useMemo } from "react";
import { OverridableContext } from "react-overridable";
import Overridable from "react-overridable";
import { hasNoData } from "./api/answers";
import { createClient } from "./api/client";
import { address, totalsQuestion } from "./api/questions";
import { useAnswer } from "./api/useAnswer";
import { Failed, NoData } from "./components/states";
import {
  ClientContext,
  SettingsContext,
  StateContext,
  useDashboardState,
  useSettings,
} from "./context";
import { AsOf, Late, Progress } from "./layout/Freshness";
import { Layout } from "./layout/Layout";
import { FIGURES } from "./layout/normalise";
import { Toolbar } from "./layout/Toolbar";
import { useAddress } from "./state/useAddress";

/**
 * Show the statistics of a community or of the instance.
 *
 * Args:
 *   settings: from `readSettings`.
 *   overridden: components of the site, by id.
 *   client: from `createClient`; by default a new one.
 */
export const Dashboard = ({ settings, overridden, client }) => {
  const own = useMemo(() => client || createClient(), [client]);
  const state = useAddress(settings.defaults);
  return (
    <OverridableContext.Provider value={overridden}>
      <SettingsContext.Provider value={settings}>
        <ClientContext.Provider value={own}>
          <StateContext.Provider value={state}>
            <Overridable id="InvenioStatsDashboard.Page">
              <Page />
            </Overridable>
          </StateContext.Provider>
        </ClientContext.Provider>
      </SettingsContext.Provider>
    </OverridableContext.Provider>
  );
};

Dashboard.propTypes = {
  settings: PropTypes.object.isRequired,
  overridden: PropTypes.object,
  client: PropTypes.object,
};

Dashboard.defaultProps = { overridden: {}, client: null };

/**
 * Return the metrics of the figures.
 *
 * The page requests them once. Toolbar, figures and chart share the answer.
 */
const sharedMetrics = ({ layout, metrics }) => {
  const figures = layout
    .flatMap(({ rows }) => rows.flat())
    .find(({ kind }) => kind === "figures");
  return figures ? figures.metrics : FIGURES.filter((key) => key in metrics);
};

const Page = () => {
  const settings = useSettings();
  const [state] = useDashboardState();
  const shared = sharedMetrics(settings);
  const asked = useAnswer(
    address(settings.endpoint, totalsQuestion(state, shared, settings.locale))
  );
  const { answer, failure, retry } = asked;
  const ready = Boolean(answer) && !asked.loading;
  return (
    <div className="stats-dashboard" data-ready={ready}>
      <Progress asked={asked} />
      <Overridable id="InvenioStatsDashboard.Toolbar" answer={answer} metrics={shared}>
        <Toolbar answer={answer} metrics={shared} />
      </Overridable>
      {answer && !hasNoData(answer) && <Late answer={answer} />}
      {failure ? (
        <Failed failure={failure} onRetry={retry} />
      ) : answer && hasNoData(answer) ? (
        <NoData answer={answer} />
      ) : (
        <Overridable id="InvenioStatsDashboard.Layout" shared={shared}>
          <Layout shared={shared} />
        </Overridable>
      )}
      {answer && <AsOf answer={answer} />}
    </div>
  );
};
