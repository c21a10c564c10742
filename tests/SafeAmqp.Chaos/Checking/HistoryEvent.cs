using System.Text.Json;
using System.Text.Json.Serialization;

namespace SafeAmqp.Chaos.Checking;

/// <summary>One line of the history. What is not used by its kind is left out.</summary>
internal sealed record HistoryEvent
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
        Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>Milliseconds since the run began.</summary>
    public double At { get; init; }

    public required What What { get; init; }

    /// <summary>The lane of a publish or delivery.</summary>
    public int? Lane { get; init; }

    /// <summary>The number of a message in its lane, of a call, or of a fault.</summary>
    public int? Number { get; init; }

    /// <summary>How a publish or a call ended.</summary>
    public Ending? Ended { get; init; }

    /// <summary>Whether a delivery was marked as redelivered; whether a fault had its effect.</summary>
    public bool Flag { get; init; }

    /// <summary>The kind of a fault, the name of a link, a line of the broker's log.</summary>
    public string? Text { get; init; }

    /// <summary>
    /// Milliseconds: how long something took; for an end, by how much it came after its deadline and every allowance.
    /// </summary>
    public double? Value { get; init; }

    /// <summary>At the beginning: what may be expected of each lane.</summary>
    public IReadOnlyList<Lane>? Lanes { get; init; }

    public string ToLine() => JsonSerializer.Serialize(this, Json);

    public static HistoryEvent Parse(string line)
        => JsonSerializer.Deserialize<HistoryEvent>(line, Json) ?? throw new FormatException($"Not an event: {line}");
}

internal enum What
{
    /// <summary>The first line.</summary>
    Begin = 1,

    /// <summary>A publish is called.</summary>
    Attempt,

    /// <summary>A publish ended.</summary>
    End,

    /// <summary>A message came to a handler.</summary>
    Deliver,

    /// <summary>A message came whose bytes were never sent.</summary>
    Garbled,

    /// <summary>A request is called.</summary>
    Call,

    /// <summary>A call ended; <see cref="HistoryEvent.Value"/> is the number that stands in the reply.</summary>
    Answer,

    /// <summary>A fault is about to strike.</summary>
    FaultBegin,

    /// <summary>All clients work again after a fault, which is over.</summary>
    FaultEnd,

    /// <summary>A link was lost.</summary>
    LinkLost,

    /// <summary>A link is open again.</summary>
    LinkOpen,

    /// <summary>Not all clients worked again in time after a fault.</summary>
    Stuck,

    /// <summary>
    /// The broker holds a consumer and gives it nothing, by its own word: the link, the queue and what it says of both.
    /// </summary>
    Forgotten,

    /// <summary>The broker's log has something to say about the protocol.</summary>
    BrokerSaid,

    /// <summary>A secret was seen where none may be.</summary>
    Secret,

    /// <summary>Something that the harness did not expect.</summary>
    Unexpected,

    /// <summary>
    /// Connections at the broker after the last fault: <see cref="HistoryEvent.Value"/> of
    /// <see cref="HistoryEvent.Number"/> expected.
    /// </summary>
    Connections,

    /// <summary>
    /// Growth of the live heap over the last half of the run, in bytes, the account itself not counted.
    /// </summary>
    Memory,

    /// <summary>A client was disposed; how long it took.</summary>
    Disposed,

    /// <summary>The last line: load and faults are over and the queues are empty.</summary>
    Done,
}
