//! Interfaces that the test plugins and the tests share.
