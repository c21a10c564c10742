namespace SafeAmqp.Simulation.Mutations;

// Those that the check of a part finds.
internal static partial class Mutants
{
    private static IEnumerable<Mutant> OfParts()
    {
        const string Ledger = "Topology/TopologyLedger.cs", Retry = "Consuming/RetryHeaders.cs",
            Reader = "Wire/FieldReader.cs", Subscription = "Consuming/Subscription.cs";
        yield return new("bindings that differ in an argument are one", "Actor/IBrokerLink.cs",
            " && TableEquality.Same(binding.Arguments, Value.Arguments);", ";");
        yield return new("an auto-delete queue outlives its last consumer", Ledger, "use.WasConsumed |= wasLive;",
            "_ = wasLive;");
        yield return new("an auto-delete queue goes with its first consumer", Ledger,
            "if (use.Consumers > 0)\n                return [];", "");
        yield return new("what has expired is declared again", Ledger, "Now - since >= expiry.Ticks",
            "Now - since < 0");
        yield return new("a use does not keep what expires", Ledger, "Use(queue).UnusedSince = Now;", "_ = queue;");
        yield return new("what is moved is copied to others again", Retry, "[\"CC\", \"BCC\", DeliveryCount,",
            "[DeliveryCount,");
        yield return new("what is moved expires on its way", Retry, "Expiration = null, // a retry", "// a retry");
        yield return new("what is moved names its user", Retry, "UserId = null, // the broker", "// the broker");
        yield return new("what comes back from a retry queue has that queue's address", Retry,
            "Exchange = exchangeName,\n                RoutingKey = routingKey,", "");
        yield return new("attempts in one queue count in another", Retry,
            "|| queue.Equals(of)", "|| of is not null");
        yield return new("what returns is held no longer each time", "Consuming/FailureBook.cs",
            "First * Math.Pow(2, Math.Min(before, Doublings))", "First");
        yield return new("an integer of another client's type is not read", Reader, "(byte)'l' or (byte)'L' =>",
            "(byte)'l' =>");
        yield return new("a negative decimal is written as sign and magnitude", "Wire/FieldTable.cs",
            "-parts[0] : parts[0]", "parts[0] | int.MinValue : parts[0]");
        yield return new("a negative decimal is read as sign and magnitude", Reader,
            "new decimal((int)Math.Abs((long)digits), 0, 0, digits < 0, scale)",
            "new decimal(digits & int.MaxValue, 0, 0, digits < 0, scale)");
        yield return new("a decimal of many places cannot be read", Reader, "if (scale <= MaxDecimalScale)",
            "if (scale <= byte.MaxValue)");
        yield return new("whatever answers is a broker", "Wire/FrameReader.cs",
            "if (first[0] is Method or Header or Body or Heartbeat)", "if (first.Length > 0)");
        yield return new("an @ in a password is not explained", "Broker/LinkConfig.cs",
            "it has an @ where none is allowed. {Slip}", "it has an @ where none is allowed.");
        yield return new("what is cancelled by a stop has failed", Subscription,
            "Exception? cause = IsBegun ? error : null;", "Exception? cause = null;");
        yield return new("whatever is cancelled has not failed", Subscription, "IsBegun ? error : null;", "error;");
        yield return new("a name that is too long is found out at the first failure", "AmqpConsumerOptions.cs",
            "if (OnFailure.Attempts > 0)", "if (OnFailure.Attempts < 0)");
        yield return new("an unused flag cannot be read", "Wire/IncomingContent.cs", "MoreFlags = 1;",
            "MoreFlags = 3;");
        yield return new("an id that is no text is answered with another", "Wire/FrameWriter.cs",
            "answers.RawProperty(property) is { } octets", "answers.RawProperty(property) is { IsEmpty: true } octets");
        yield return new("a caller's id is checked like one of ours", "Check.cs",
            "isAnswer = outgoing.Answers is not null;", "isAnswer = outgoing.Answers is null;");
        yield return new("what is passed on is checked like one of ours", "Check.cs",
            "PassedOn: not null, Received.IsEmpty: false", "PassedOn: not null, Received.IsEmpty: true");
        yield return new("the cause of a wait is not told", "Telemetry/StatusText.cs",
            "link.LastError is { } error ? $\" (last error: {error})\"", "link.LastError is \"\" ? \"\"");
        yield return new("guest is refused without asking", "Broker/LinkConfig.cs",
            "if (mechanism == AmqpAuthMechanism.External)",
            "if (user == Guest && hosts.Exists(host => !host.IsLoopback))\n            throw new "
                + "ArgumentException(\"guest\");\n        if (mechanism == AmqpAuthMechanism.External)");
        yield return new("a consumer that recovers is ready", "Hosting/Health.cs",
            "State: AmqpConsumerState.Stopping }\n",
            "State: AmqpConsumerState.Stopping or AmqpConsumerState.Recovering }\n");
        yield return new("a consumer that its user stops degrades", "Hosting/Health.cs",
            "{ State: AmqpConsumerState.Stopping }\n", "{ State: (AmqpConsumerState)99 }\n");
        yield return new("a consumer that a message stopped only degrades", "Hosting/Health.cs",
            "link.Consumers.Any(IsStoppedForGood) => HealthStatus.Unhealthy", "link.Consumers.Any(IsStoppedForGood) "
                + "=> HealthStatus.Degraded");
    }
}
