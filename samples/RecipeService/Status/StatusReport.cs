using System.ComponentModel;

namespace RecipeService.Status;

/// <summary>What the service does with the broker, now.</summary>
public sealed record StatusReport
{
    /// <summary>Whether every link is open and none is blocked.</summary>
    public required bool Ready { get; init; }

    /// <summary>The same in words.</summary>
    public required string Summary { get; init; }

    /// <summary>The connections: one that sends, one that receives.</summary>
    public required IReadOnlyList<LinkReport> Links { get; init; }

    /// <summary>How many crawling jobs are remembered.</summary>
    public required int JobsKept { get; init; }
}

/// <summary>One connection.</summary>
public sealed record LinkReport
{
    /// <summary><c>send</c> or <c>receive</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Its state.</summary>
    [Description("idle, connecting, preparing, open, waiting, closing or closed")]
    public required string State { get; init; }

    /// <summary>How long it has been in that state.</summary>
    public required double InStateSeconds { get; init; }

    /// <summary>The number of its connection, one higher with each attempt.</summary>
    public required int Epoch { get; init; }

    /// <summary>The broker's host.</summary>
    public string? Host { get; init; }

    /// <summary>Why the last connection or attempt ended.</summary>
    public string? LastError { get; init; }

    /// <summary>The time until the next attempt.</summary>
    public double? NextAttemptInSeconds { get; init; }

    /// <summary>Why the broker takes no messages.</summary>
    public string? BlockedReason { get; init; }

    /// <summary>Messages that wait here.</summary>
    public required int Queued { get; init; }

    /// <summary>Messages that were sent and are not confirmed yet.</summary>
    public required int Unconfirmed { get; init; }

    /// <summary>Calls that wait for their reply.</summary>
    public required int PendingCalls { get; init; }

    /// <summary>Replies that came too late.</summary>
    public required long LateReplies { get; init; }

    /// <summary>The time since something came from the broker.</summary>
    public double? LastReceivedSeconds { get; init; }

    /// <summary>Its consumers.</summary>
    public required IReadOnlyList<ConsumerReport> Consumers { get; init; }
}

/// <summary>One consumer.</summary>
public sealed record ConsumerReport(string Queue, string State, int Unsettled);
