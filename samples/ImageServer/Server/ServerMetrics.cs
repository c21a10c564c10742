using System.Diagnostics.Metrics;
using ImageServer.Protocol;
using ImageServer.Server.State;

namespace ImageServer.Server;

/// <summary>Every instrument of the server, in the meter <see cref="MeterName"/>.</summary>
internal sealed class ServerMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "ImageServer";

    private readonly Counter<long> _requests;
    private readonly Counter<long> _cutOff;
    private readonly Histogram<double> _wait;
    private readonly Histogram<double> _conversions;
    private readonly Counter<long> _cache;

    /// <summary>The meter.</summary>
    internal Meter Meter { get; } = new(MeterName);

    public ServerMetrics(StateOwner owner)
    {
        Meter.CreateObservableUpDownCounter(
            "imageserver.connections", () => owner.Current.Clients.Count, "{connection}", "Clients connected now.");
        Meter.CreateObservableUpDownCounter(
            "imageserver.line.length", ()
            => owner.Current.Line.Count, "{request}", "Requests to the workers that have not ended.");
        _requests = Meter.CreateCounter<long>(
            "imageserver.requests", "{request}", "Commands, by name and by how they ended.");
        _cutOff = Meter.CreateCounter<long>(
            "imageserver.clients.cut_off", "{connection}", "Clients that were cut off or turned away, by reason.");
        _wait = Meter.CreateHistogram<double>(
            "imageserver.line.wait", "s", "How long requests to the workers took, waiting included.");
        _conversions = Meter.CreateHistogram<double>(
            "imageserver.conversions", "s", "How long it took to decode and convert a picture, by mode.");
        _cache = Meter.CreateCounter<long>(
            "imageserver.cache.lookups", "{lookup}", "Looks into the cache of converted files, by result.");
    }

    public void Request(string command, bool succeeded)
        => _requests.Add(1, new("command", command), new("outcome", succeeded ? "ok" : "error"));

    public void CutOff(string reason) => _cutOff.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public void Waited(string command, TimeSpan time)
        => _wait.Record(time.TotalSeconds, new KeyValuePair<string, object?>("command", command));

    public void Converted(GraphicsMode mode, TimeSpan time)
        => _conversions.Record(time.TotalSeconds, new KeyValuePair<string, object?>("mode", mode.ToString()));

    public void CacheLookup(bool hit)
        => _cache.Add(1, new KeyValuePair<string, object?>("result", hit ? "hit" : "miss"));

    public void Dispose() => Meter.Dispose();
}
