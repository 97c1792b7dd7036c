//! Starts and owns plugin processes.
