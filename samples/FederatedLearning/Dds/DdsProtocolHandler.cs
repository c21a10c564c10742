using System.Diagnostics;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Dds;

/// <summary>
/// DDS for the unified server: a participant whose waitset is waited for by a thread of its own. Clients write to
/// <c>fl_from_client</c>; each has a writer here, on <c>fl_to_client</c> in the partition that is its id. A client is
/// gone when its writer is.
/// </summary>
public sealed class DdsProtocolHandler : ProtocolHandler
{
    /// <summary>The protocol's short name.</summary>
    public const string ProtocolName = "dds";

    internal const string Title = "DDS";

    // The library copies what is written and keeps it until it is acknowledged: so many large messages are under way at
    // once.
    private const int Large = 1 << 20, LargeAtOnce = 2;
    private const int SamplesHeld = 8, BytesASecond = 256 << 10;
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(10),
        LookForHeirs = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan FarewellPatience = TimeSpan.FromSeconds(2);

    private readonly DdsSettings _settings;
    private readonly ClientWays<DdsClient> _clients = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private DdsParticipant? _participant;
    private DdsLoop? _loop;
    private Task _failing = Task.CompletedTask;
    private int _reader, _largeUnderWay;
    private volatile bool _draining;

    /// <summary>Makes the handler; nothing is read yet.</summary>
    /// <param name="settings">The domain and its network.</param>
    /// <param name="loggers">Where log lines go.</param>
    /// <param name="time">The clock.</param>
    public DdsProtocolHandler(DdsSettings settings, ILoggerFactory loggers, TimeProvider? time = null)
        : base(ProtocolName, Title, loggers.CreateLogger<DdsProtocolHandler>(), time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
    }

    /// <summary>
    /// Why DDS cannot be spoken on this machine, in one line that says what to install; null where it can.
    /// </summary>
    public static string? FindMissing()
        => Native.IsAvailable ? null : "DDS needs Cyclone DDS 0.10 (Debian 12: apt-get install libddsc0debian)";

    /// <inheritdoc/>
    protected override Task OpenAsync(CancellationToken cancellationToken)
    {
        if (FindMissing() is { } missing)
            throw new InvalidOperationException(missing);
        _loop = new DdsLoop("fl-dds-server", _settings, participant =>
        {
            _participant = participant;
            _reader = participant.Reader(DdsParticipant.FromClients, "", SamplesHeld);
        }, Turn);
        Log.ServerStarted(_settings.Domain, DdsParticipant.NetworkOf(_settings));
        _failing = ReportFailureAsync(_loop);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override Task SendAsync(OutgoingMessage message)
    {
        foreach (var (_, client) in _clients.RecipientsOf(message))
            client.Outgoing.Post(message);
        _loop!.Post(() => { });
        return Task.CompletedTask;
    }

    // What waits goes to its clients until they have it; then the participant goes.
    /// <inheritdoc/>
    protected override async Task CloseAsync()
    {
        if (_loop is null)
            return;
        _loop.Post(() => _draining = true);
        await Task.WhenAny(_drained.Task, _loop.Ended, Task.Delay(Timeout.InfiniteTimeSpan, GivenUp));
        await _loop.DisposeAsync();
        await _failing;
    }

    private async Task ReportFailureAsync(DdsLoop loop)
    {
        try
        {
            await loop.Ended;
        }
        catch (Exception error)
        {
            await FailAsync(error);
        }
    }

    private TimeSpan Turn()
    {
        for (int i = 0; i < SamplesHeld && DdsParticipant.TryTake(_reader, Take); i++)
        {
        }
        bool areHeirsWaiting = false, areSomeWaiting = false;
        foreach (var (_, client) in _clients.All)
        {
            areHeirsWaiting |= IsHeirWaiting(client);
            areSomeWaiting |= IsWaitingForReader(client);
        }
        if (_draining && !areSomeWaiting)
            _drained.TrySetResult();
        return areSomeWaiting ? LookAgain : areHeirsWaiting ? LookForHeirs : Timeout.InfiniteTimeSpan;
    }

    // The core decides at once, so the thread waits for it; the library holds back what comes meanwhile.
    private void Take(DdsSample sample)
    {
        if (Stopping.IsCancellationRequested)
            return;
        if (!ClientId.TryParse(sample.ClientId, out var id))
        {
            if (sample.HasData)
                Refuse("?", $"client_id must be 1 to {ClientId.MaxLength} letters, digits, '_' or '-'");
            return;
        }
        var client = _clients.Find(id);
        if (!sample.HasData)
        {
            if (client is not null && !sample.IsAlive && (client.Source == sample.Writer || !IsThere(client.Source)))
                Leave(client, "its writer is gone");
            return;
        }
        if (client is null)
        {
            if ((client = Enter(id, sample.Writer)) is null)
                return;
        }
        else if (client.Source != sample.Writer && !TryInherit(client, sample))
        {
            return;
        }
        string? refused = Decided(Inbox.TakeAsync(sample.Body, sample.Type, id, RegisteringAsync));
        if (refused is not null)
            Log.Refused(id.Value, refused);

        ValueTask RegisteringAsync(ClientId registered)
        {
            Log.Registered(registered.Value);
            return ValueTask.CompletedTask;
        }
    }

    // Also a client that has not registered gets its way: it is told so over it.
    private DdsClient? Enter(ClientId id, ulong source)
    {
        if (_clients.All.FirstOrDefault(other => other.Value.Source == source) is { Value: { } same })
        {
            Refuse(id.Value, $"its writer is that of client {same.Id}");
            return null;
        }
        try
        {
            _clients.MakeSureOfRoomFor(id);
        }
        catch (MessageRefusedException refused)
        {
            Refuse(id.Value, refused.Message);
            return null;
        }
        var client = new DdsClient(id, _participant!.Writer(DdsParticipant.ToClients, id.Value)) { Source = source };
        _clients.Set(id, client);
        return client;
    }

    // A client that was killed comes back before its old writer is given up: only one that is gone is replaced. The
    // other waits, if it registers.
    private bool TryInherit(DdsClient client, DdsSample sample)
    {
        if (!IsThere(client.Source))
        {
            client.Source = sample.Writer;
            Context.Traffic.Reconnected();
            return true;
        }
        if (sample.Type == ClientJson.Register)
            client.Heir = sample.Writer;
        Refuse(client.Id.Value, "another client writes under this id");
        return false;
    }

    private bool IsHeirWaiting(DdsClient client)
    {
        if (client.Heir is not { } heir)
            return false;
        ulong[] there = DdsParticipant.WritersOf(_reader);
        if (there.Contains(heir) && there.Contains(client.Source))
            return true;
        client.Heir = null;
        if (there.Contains(heir))
        {
            client.Source = heir;
            Context.Traffic.Reconnected();
            Log.Registered(client.Id.Value);
            Decided(Context.Federation.ClientRegisteredAsync(new ClientRegistration(client.Id)));
        }
        return false;
    }

    // Sends what its reader takes. Whether something is left that it did not take yet.
    private bool IsWaitingForReader(DdsClient client)
    {
        if (client.IsUnacknowledged && DdsParticipant.IsAcknowledged(client.Writer))
            Acknowledged(client);
        while (client.Next is not null || client.Outgoing.TryTake(out client.Next))
        {
            var body = client.Next.ToJson();
            bool isTurn = body.Length <= Large || client.IsLarge || _largeUnderWay < LargeAtOnce;
            if (!isTurn || client.IsLeaving || DdsParticipant.ReadersOf(client.Writer).Length == 0
                || !DdsParticipant.TryWrite(client.Writer, client.Id, client.Next.MessageType, body.Span))
            {
                if (!isTurn)
                    client.Since = Stopwatch.GetTimestamp();
                return IsPatient(client);
            }
            Sent(client, body.Length);
        }
        return client.IsUnacknowledged && IsPatient(client);
    }

    private void Sent(DdsClient client, int length)
    {
        Context.Traffic.Sent(length);
        Log.Sent(client.Next!.MessageType, client.Id.Value);
        client.IsLeaving |= client.Next is Rejected;
        client.Next = null;
        client.Since = Stopwatch.GetTimestamp();
        client.Size = length;
        client.IsUnacknowledged = true;
        if (length > Large && !client.IsLarge)
        {
            client.IsLarge = true;
            _largeUnderWay++;
        }
    }

    private void Acknowledged(DdsClient client)
    {
        client.IsUnacknowledged = false;
        client.Since = Stopwatch.GetTimestamp();
        if (client.IsLarge)
        {
            client.IsLarge = false;
            _largeUnderWay--;
        }
        if (client.IsLeaving)
            Forget(client);
    }

    private bool IsPatient(DdsClient client)
    {
        var patience = client.IsLeaving || _draining ? FarewellPatience : _settings.Stall;
        if (Stopwatch.GetElapsedTime(client.Since) < patience + TimeSpan.FromSeconds(client.Size / BytesASecond))
            return true;
        if (client.IsLeaving)
            Forget(client);
        else
            Leave(client, $"it took nothing for {patience.TotalSeconds} s");
        return false;
    }

    private void Leave(DdsClient client, string reason)
    {
        Forget(client);
        Log.Left(client.Id.Value, reason);
        Decided(Context.Federation.ClientLeftAsync(client.Id, reason));
    }

    private void Forget(DdsClient client)
    {
        if (!_clients.Remove(client.Id, client))
            return;
        if (client.IsLarge)
            _largeUnderWay--;
        DdsParticipant.Delete(client.Writer);
    }

    // Counted; not told: a partition is heard by every client with the id, and the one that is in its right must not be
    // disturbed.
    private void Refuse(string client, string reason)
    {
        Log.Refused(client, reason);
        Decided(Context.Federation.MessageRefusedAsync(null, reason));
    }

    private bool IsThere(ulong writer) => DdsParticipant.WritersOf(_reader).Contains(writer);

    private static void Decided(ValueTask decision) => decision.AsTask().GetAwaiter().GetResult();

    private static T Decided<T>(ValueTask<T> decision) => decision.AsTask().GetAwaiter().GetResult();
}

/// <summary>
/// A client with the writer to it, and what waits for it: what is newer takes the place of what is pointless.
/// </summary>
internal sealed class DdsClient(ClientId id, int writer)
{
    /// <summary>What is being sent; stays until its reader takes it.</summary>
    public OutgoingMessage? Next;

    public ClientId Id => id;

    public int Writer => writer;

    public OutgoingQueue Outgoing { get; } = new();

    /// <summary>The client's own writer.</summary>
    public ulong Source { get; set; }

    /// <summary>Another writer that has registered under this id, and waits for the end of the first.</summary>
    public ulong? Heir { get; set; }

    /// <summary>When something last went to it, or had been taken.</summary>
    public long Since { get; set; } = Stopwatch.GetTimestamp();

    /// <summary>The length of what went last.</summary>
    public int Size { get; set; }

    public bool IsUnacknowledged { get; set; }

    public bool IsLarge { get; set; }

    /// <summary>It was rejected, and is forgotten once it knows.</summary>
    public bool IsLeaving { get; set; }
}
