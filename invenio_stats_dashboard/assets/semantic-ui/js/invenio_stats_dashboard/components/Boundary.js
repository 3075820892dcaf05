// SPDX-FileCopyrightText: 2026 Invenio Stats Dashboard contributors
// SPDX-License-Identifier: MIT

import PropTypes from "prop-types";
import React, { Component } from "react";
import { BROKEN, Failure } from "../api/failures";
import { Failed } from "./states";

/** Show an error in place of a widget that fails, so that the page stays usable. */
export class Boundary extends Component {
  static getDerivedStateFromError() {
    return { broken: true };
  }

  constructor(props) {
    super(props);
    this.state = { broken: false };
  }

  render() {
    const { children } = this.props;
    const { broken } = this.state;
    return broken ? (
      <div className="stats-panel">
        <Failed
          failure={new Failure(BROKEN)}
          onRetry={() => this.setState({ broken: false })}
        />
      </div>
    ) : (
      children
    );
  }
}

Boundary.propTypes = { children: PropTypes.node.isRequired };
