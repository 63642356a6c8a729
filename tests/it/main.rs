//! Every black-box test of FlowForge, in one binary.
