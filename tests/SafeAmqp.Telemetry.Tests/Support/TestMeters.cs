using System.Diagnostics.Metrics;

namespace SafeAmqp.Telemetry.Tests.Support;

/// <summary>A meter factory whose meters no other test sees.</summary>
internal sealed class TestMeters : IMeterFactory
{
    private readonly List<Meter> _meters = [];

    public Meter Create(MeterOptions options)
    {
        options.Scope = this;
        var meter = new Meter(options);
        _meters.Add(meter);
        return meter;
    }

    internal Hearing Listen(Func<Instrument, bool>? which = null) => new(this, which ?? (_ => true));

    public void Dispose() => _meters.ForEach(meter => meter.Dispose());

    /// <summary>What was measured, as long as it is not disposed.</summary>
    internal sealed class Hearing : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly List<Measured> _measured = [];

        internal Hearing(TestMeters meters, Func<Instrument, bool> which)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope != meters || !which(instrument))
                    return;
                lock (_measured)
                    Instruments.Add(instrument);
                listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Hear(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>(
                (instrument, value, tags, _) => Hear(instrument, value, tags));
            _listener.Start();
        }

        internal List<Instrument> Instruments { get; } = [];

        internal IReadOnlyList<Measured> this[string name]
        {
            get
            {
                lock (_measured)
                    return [.. _measured.Where(measured => measured.Name == name)];
            }
        }

        internal IReadOnlyList<Measured> All
        {
            get
            {
                lock (_measured)
                    return [.. _measured];
            }
        }

        /// <summary>Reads the instruments that observe, and forgets what they said before.</summary>
        internal Hearing Collect()
        {
            lock (_measured)
                _measured.RemoveAll(measured => measured.IsObserved);
            _listener.RecordObservableInstruments();
            return this;
        }

        internal double Sum(string name, params (string Key, object? Value)[] tags)
            => this[name].Where(measured => tags.All(tag => Equals(measured[tag.Key], tag.Value)))
                .Sum(measured => measured.Value);

        public void Dispose() => _listener.Dispose();

        private void Hear(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var measured = new Measured(instrument.Name, value,
                tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value), instrument.IsObservable);
            lock (_measured)
                _measured.Add(measured);
        }
    }
}

internal sealed record Measured(string Name, double Value, Dictionary<string, object?> Tags, bool IsObserved)
{
    internal object? this[string tag] => Tags.GetValueOrDefault(tag);
}
