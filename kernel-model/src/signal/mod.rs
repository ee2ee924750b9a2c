//! Signals: queues, handlers, delivery.
