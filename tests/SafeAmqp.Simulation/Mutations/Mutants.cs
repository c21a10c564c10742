namespace SafeAmqp.Simulation.Mutations;

/// <summary>The bugs, by room.</summary>
internal static partial class Mutants
{
    internal static IReadOnlyList<Mutant> All { get; } = [
        .. Publishing(), .. Connecting(), .. Consuming(), .. Reading(), .. Calling(), .. Serving(),
        .. OfParts()];

    private static IEnumerable<Mutant> Publishing()
    {
        const string Ledger = "Publishing/ConfirmLedger.cs", Answers = "Publishing/PublishLane.Answers.cs",
            Lane = "Publishing/PublishLane.cs";
        yield return new(
            "an ack of one counts for all before it", Ledger, "if (multiple)\n", "if (multiple || sequence > 0)\n");
        yield return new("an ack of many leaves the last out", Ledger, "number <= sequence; number++", "number < "
            + "sequence; number++");
        yield return new("zero stands for all so far", Ledger, "if (sequence >= _next || sequence == 0)",
            "if (sequence == 0 && multiple)\n sequence = _next - 1;\n if (sequence >= _next)");
        yield return new(
            "an answer to what was never sent is overlooked",
            Ledger,
            "if (sequence >= _next || sequence == 0)\n            return false;",
            "if (sequence >= _next || sequence == 0)\n            return true;");
        yield return new("numbers go on on a new channel", Ledger, "_low = _next = 1;\n    }", "_low = _next;\n    }");
        yield return new("a return is overlooked", Answers, "if (job.Return is { } reply)\n                "
            + "job.End(JobErrors.Returned(job, reply, Actor.Snapshot()));\n            else if (nack)", "if (nack)");
        yield return new("a nack counts as an ack", Answers, "else if (nack)\n                job.End",
            "else if (nack && job.IsRepeated)\n                job.End");
        yield return new(
            "what has ended goes again", Answers, "&& job.Return is null && !job.HasEnded)", "&& job.Return is null)");
        yield return new("what goes again goes in reverse", Answers, "for (int i = lost.Count - 1; i >= 0; i--)",
            "for (int i = 0; i < lost.Count; i++)");
        yield return new("publishes go again without being asked to", Answers,
            "republish && Actor.MayRepublish && ", "republish && ");
        yield return new("calls and posts go again", Answers, "&& job.MayRepublish && job.Return", "&& job.Return");
        yield return new("a drained channel is kept", Answers, "if (_draining && _ledger.Count == 0)", "if (_draining "
            + "&& _ledger.Count < 0)");
        yield return new("unknown is told as not sent", Answers, "job.End(JobErrors.Unknown(job, end, status));",
            "job.End(JobErrors.NotSent(job, \"lost\", status));");
        yield return new("the first of several is blamed", "Publishing/JobErrors.cs",
            "severalNamed && end.Code != PreconditionFailed ? null : named", "named");
        yield return new("suspects go together", Lane, "(!job.IsSuspect && !_isAlone\n                && _ledger.Bytes",
            "(true\n                && _ledger.Bytes");
        yield return new(
            "what goes beside a suspect is overlooked", Lane, "!job.IsSuspect && !_isAlone", "!job.IsSuspect");
        yield return new("what ended the link alone goes again", Answers,
            "isSuspicious && job.IsSuspect)", "isSuspicious && job.IsSuspect && lost.Count < 1)");
        yield return new("what was left on a replaced channel is not suspected", Answers,
            "_left.UnionWith(_ledger.Unanswered());", "");
        yield return new("one answer ends every wait of a channel", "Actor/ActorChannel.cs", "if (--_awaited == 0)",
            "if (--_awaited >= 0)");
        yield return new("nothing casts suspicion", "Publishing/JobErrors.cs", "=> end.ByBroker && (isLink ?",
            "=> end.ByBroker && end.Code == 0 && (isLink ?");
        yield return new("neighbours share the blame", Answers, "if (job == culprit)", "if (culprit is not null)");
        yield return new("the window of messages is overlooked", Lane,
            "=> _ledger.HasRoom && _ledger.Count < Actor.Settings.MaxUnconfirmedMessages\n", "=> _ledger.HasRoom\n");
        yield return new(
            "the window of bytes is overlooked", Lane, "_ledger.Bytes + job.Size <= Actor", "_ledger.Bytes <= Actor");
        yield return new("a busy channel is used", Lane, "_busy = true;", "_busy = false;");
        yield return new("what found its channel closed goes to the end of the line", Lane, "queue.AddFirst(job);",
            "queue.Add(job);");
        yield return new("what found its channel closed counts as sent", Lane,
            "_closing = true;\n                queue.AddFirst(job);", "_closing = true;\n                Passed(job);");
        yield return new("what waits expires late", Lane, "if (job.Deadline > now)\n                {",
            "if (job.Deadline + TimeSpan.TicksPerSecond > now)\n                {");
        yield return new("what was sent does not expire", Lane,
            "if (job is { KeepsOwnDeadline: true, HasEnded: false })", "if (job is not PostJob)");
        yield return new("a post that is not answered keeps its credit", Lane, "job.ReleaseCredit(); // posted",
            "_ = job.Size; // posted");
        yield return new("a channel that is held up is kept", Lane, "private bool IsHeldUp => MayPass",
            "private bool IsHeldUp => Waiting < 0 && MayPass");
        yield return new("a channel on which nothing is answered is kept", Answers, "Silence = TimeSpan.FromSeconds(5)",
            "Silence = TimeSpan.FromSeconds(5_000)");
        yield return new("the broker is asked although it answers", Answers,
            "Math.Max(_heardAt, Actor.UnblockedAt) + Silence > now", "_lastDeadline < 0");
        yield return new("the answer to the question is overlooked", Answers,
            "case BrokerSignal.Answered:\n                _probe.Answered();", "case BrokerSignal.Answered:");
        yield return new("what is being declared is not waited for", Lane,
            "return awaited(job.Message) is not null && _heldExchanges.Add(exchange);", "return false;");
        yield return new("what waits for a declaration is passed by what is behind it", Lane,
            "if (_heldExchanges.Count > 0 && _heldExchanges.Contains(exchange))", "if (_heldExchanges.Count < 0)");
        yield return new("what waits for a declaration waits when that has ended", "Links/LinkActor.cs",
            "_lane.Release();", "");
        yield return new("what waited for a declaration goes behind what is newer", Lane,
            "(job.NeedsAddress ? _calls : _publishes).AddFirst(job);",
            "(job.NeedsAddress ? _calls : _publishes).Add(job);");
        yield return new("exchanges are not asked for", "Publishing/ExchangeBook.cs",
            "if (exchange.Length == 0 || _present.Contains(exchange))", "if (exchange.Length >= 0)");
        yield return new("a refusal of access is forgotten at once", "Publishing/ExchangeBook.cs",
            "TimeSpan.FromSeconds(1).Ticks", "0L");
        yield return new(
            "a storm of nacks is sat out", "Publishing/ConfirmLedger.cs", "Nacks = 10;", "Nacks = 10_000;");
        yield return new("channels are replaced again and again in a storm of nacks", "Publishing/ConfirmLedger.cs",
            "TimeSpan.FromSeconds(10).Ticks", "TimeSpan.FromSeconds(1).Ticks");
        yield return new("an ack does not end a run of nacks", "Publishing/ConfirmLedger.cs",
            "_runs.Remove((job.Message.Exchange, job.Message.RoutingKey));", "_ = job;");
        yield return new("credit is given back twice", "Publishing/OutgoingJob.cs", "_holdsCredit = false;",
            "_holdsCredit = Message.Body.Length >= 0;");
        yield return new("what is confirmed keeps its credit", "Publishing/OutgoingJob.cs",
            "ReleaseCredit();\n        OnConfirmed();", "OnConfirmed();");
        yield return new("a time-out after the hand-over is told as not sent", "Publishing/JobErrors.cs",
            "return job.WasPassed\n", "return job.IsRepeated\n");
        yield return new("one more than the credit is let in", "Publishing/Credit.cs", "messages <= maxMessages &&",
            "messages <= maxMessages + 1 &&");
        yield return new("bytes are not counted", "Publishing/Credit.cs", "&& bytes <= maxBytes)", ")");
    }

    private static IEnumerable<Mutant> Connecting()
    {
        const string Recovery = "Actor/ConnectionActor.Recovery.cs", Link = "Links/LinkActor.cs",
            Topology = "Links/LinkActor.Topology.cs";
        yield return new("the loss of an earlier link ends the present one", Recovery,
            "when lost.Epoch == Epoch && IsConnected:", "when IsConnected:");
        yield return new("an earlier link that came up late counts as the present one", Recovery,
            "when connected.Epoch == Epoch && State", "when State");
        yield return new("an earlier attempt that failed late ends the present one", Recovery,
            "when failed.Epoch == Epoch && State", "when State");
        yield return new("what was sent is cancelled", "Publishing/OutgoingJob.cs", "if (HasEnded || !MayBeCancelled)",
            "if (HasEnded)");
        yield return new("bytes that came and were not read count as silence", Recovery, "|| traffic.HasUnread)", ")");
        yield return new("silence is noticed late", Recovery, "DeadAfterHeartbeats = 1.5;", "DeadAfterHeartbeats = 3;");
        yield return new(
            "a link that is not read any more is kept",
            Recovery,
            "if (!_opening.IsUnheard(now, Link.Traffic(Epoch), out long next))",
            "if (!_opening.IsUnheard(now, Link.Traffic(Epoch), out long next) || now > 0)");
        yield return new("a blocked broker is taken for deaf", Recovery, "if (IsBlocked)", "if (IsBlocked && now < 0)");
        yield return new("a moment without an answer is taken for deafness", "Actor/Probe.cs",
            "Patience = TimeSpan.FromSeconds(5)", "Patience = TimeSpan.FromSeconds(1)");
        yield return new("what was not answered is not declared again", Topology,
            "if (IsConnected && !NeedsRepair(error))", "if (IsConnected && error.Code < 0)");
        yield return new(
            "silence is noticed early", Recovery, "DeadAfterHeartbeats = 1.5;", "DeadAfterHeartbeats = 0.5;");
        yield return new(
            "a broker that refused is asked again soon", Recovery, "random(), _refused)", "random(), false)");
        yield return new("attempts become rarer without bound", "Actor/ActorSettings.cs", "Math.Min(Cap.Ticks, First",
            "Math.Max(Cap.Ticks, First");
        yield return new("publishing goes on while the broker blocks", Recovery,
            "or AmqpLinkState.Closing && BlockedReason is null;", "or AmqpLinkState.Closing;");
        yield return new("a block outlives its link", Recovery, "EndBlock();\n        Link.Abandon", "Link.Abandon");
        yield return new("a link is open before its consumers are live", Link,
            "HasSuspect: false }\n        && _consumers.AreSettled", "HasSuspect: false }");
        yield return new("consumers begin before their queues are back", Topology,
            "if (_replaysLeft == 0)\n            PrepareConsumers();", "PrepareConsumers();");
        yield return new(
            "what was declared is forgotten", Topology, "_topology.ForLink(Settings.OwnsExclusiveQueues)", "[]");
        yield return new("exchanges are taken to be there on a new link", Topology, "_exchanges.Forget();", "");
        yield return new("an attempt that does not end is waited for", Recovery, "WakeAt(_giveUpAt);\n        MoveTo",
            "_giveUpAt = ActorTime.Never;\n        MoveTo");
        yield return new(
            "what was sent waits for a link that is lost", Link, "base.LoseChannels(end);", "_admin.LoseLink(end);");
        yield return new("closing waits beyond its deadline", "Actor/ConnectionActor.cs",
            "IsIdle || !MayPublish || now >= _closeBy", "IsIdle || !MayPublish");
        yield return new("closing does not wait for answers", "Actor/ConnectionActor.cs", "if (IsIdle || !MayPublish",
            "if (now > 0 || !MayPublish");
        yield return new(
            "an overdue answer is waited for", "Actor/ActorChannel.cs", "if (AnswerBy <= now)", "if (AnswerBy < 0)");
        yield return new("two declarations at once", "Topology/AdminChannel.cs", "if (_running is not null || !IsOpen",
            "if (!IsOpen");
        yield return new(
            "a declaration that is under way does not expire",
            "Topology/AdminChannel.cs",
            "if (_running is { } running && running.Deadline <= now)",
            "if (_running is { } running && running.Deadline < 0)");
    }

    private static IEnumerable<Mutant> Consuming()
    {
        const string Channel = "Consuming/ConsumerChannel.cs", Joiner = "Consuming/AckJoiner.cs";
        yield return new("acks are joined over a gap", Joiner, "tag < _next && this[tag] != Mark.Unsettled; tag++",
            "tag < _next; tag++");
        yield return new("a joined ack names what was settled", Joiner,
            "if (this[tag] != Mark.Acked)\n                continue;", "");
        yield return new(
            "acks beyond a gap are dropped", Joiner, "if (tag > through)\n", "if (tag > through + 1_000)\n");
        yield return new(
            "tags go on on a new channel", Joiner, "_low = _next = 1;\n        Unsettled = 0;", "Unsettled = 0;");
        yield return new("a reject is sent as an ack", Channel, "if (settlement == AmqpSettlement.Ack)",
            "if (settlement != AmqpSettlement.Requeue)");
        yield return new("a delivery is settled on whatever channel there is", Channel,
            "if (delivery.Incarnation != Incarnation || Incarnation == 0)", "if (Incarnation == 0)");
        yield return new(
            "handlers are not told of a lost delivery", Channel, "if (lost is not null)", "if (lost is null)");
        yield return new("acks are held back", Channel, "Actor.FlushLater(this);", "");
        yield return new("what a lost channel had counts as unsettled", Channel, "subscription.Unsettled = 0;", "");
        yield return new("a stopped consumer is never quiet", Channel,
            "Answered();\n                subscription.Quiet.TryComplete(true);", "Answered();");
        yield return new("a hole in the tags is overlooked", Channel, "if (!_acks.Delivered(delivered.Tag))",
            "if (!_acks.Delivered(delivered.Tag) && delivered.Tag == 0)");
        yield return new("a cancelled consumer is not replaced", Channel,
            "case BrokerSignal.ConsumerCancelled:\n                // Of", "case BrokerSignal.ConsumerCancelled "
                + "when subscription.State == AmqpConsumerState.Stopped:\n                // Of");
        yield return new("the wait for a start does not end", Channel, "if (_startBy <= now)", "if (_startBy < 0)");
    }

    private static IEnumerable<Mutant> Reading()
    {
        const string Position = "Consuming/StreamPosition.cs", Channel = "Consuming/ConsumerChannel.cs";
        yield return new("a stream is read from where it was begun again", Position,
            "(_next ?? options.StreamOffset?.WireValue)", "(options.StreamOffset?.WireValue ?? _next)");
        yield return new("a stream is read on one too late", Position, "_unsettled.Min : _next;",
            "_unsettled.Min + 1 : _next;");
        yield return new("a stream is read on behind the last that came", Position,
            "_next = _unsettled.Count > 0 ? _unsettled.Min : _next;", "");
        yield return new("the last of a stream comes again though it was settled", Position, "_next = offset + 1;",
            "_next = offset;");
        yield return new("a settlement is not noted in a stream", Position, "_unsettled.Remove(offset);",
            "_ = offset;");
        yield return new("a settlement of an earlier channel counts in a stream", Position,
            "if (incarnation == _incarnation)", "if (incarnation <= _incarnation)");
        yield return new("a stream that was made anew is read on", Channel, "_stream.Forget();", "");
        yield return new("a stream is asked to take back", Channel, "if (settlement == AmqpSettlement.Requeue)\n"
            + "                return;", "");
        yield return new("a stream is told of a reject", Position, "? settlement : AmqpSettlement.Ack;",
            "? settlement : settlement;");
        yield return new("what was requeued of a stream counts as settled", Channel,
            "if (settlement == AmqpSettlement.Requeue)\n                return;",
            "if (settlement == AmqpSettlement.Requeue)\n                settlement = AmqpSettlement.Ack;");
    }

    private static IEnumerable<Mutant> Serving()
    {
        const string Channel = "Rpc/ServingChannel.cs", Jobs = "Rpc/CallJob.cs";
        yield return new("a request is acknowledged before its reply", Channel, "_held.Add(reply);",
            "_held.Add(reply);\n            base.Settle(delivery, settlement);\n            base.Flush();");
        yield return new("what outlives its caller is acknowledged at once", Channel, "if (!needsConfirm)\n", "");
        yield return new("what comes again is no suspect", Jobs, "IsSuspect = request.IsRedelivered;",
            "IsSuspect = false;");
        yield return new("others go beside what comes again", Channel, "&& _alone is null && Actor", "&& Actor");
        yield return new("what comes again goes beside others", Channel, "(reply.IsSuspect && !IsProven) ||", "");
        yield return new("a culprit is not remembered", Channel, "if (Culprit(end) is { } culprit)",
            "if (Culprit(end) is { Deadline: < 0 } culprit)");
        yield return new("several are blamed for one", Channel, "_inDoubt > 1 ? null : ", "");
        yield return new("a server ends before its replies are worked off", Channel,
            "if (!IsOpen || (_owed == 0 && IsProven)", "if (_owed >= 0");
        yield return new("a reply that is lost with its channel keeps its credit", Channel,
            "((ReplyJob)job).Lose();", "_ = job;");
        yield return new("replies leave while the broker blocks", Channel, "&& Actor.MayPublish;", ";");
        yield return new("a busy channel is used for replies", Channel, "IsOpen && !_busy && ", "IsOpen && ");
        yield return new("a nacked reply counts as confirmed", Channel,
            ": nack ? JobErrors.Nacked(reply, Actor.Snapshot()) : null;", ": null;");
        yield return new("a reply that is not confirmed is waited for without end", Channel,
            "if (job.Deadline <= now)", "if (job.Deadline < 0)");
        yield return new("a joined acknowledgement covers a request whose reply is held", Channel,
            "base.Settle(reply.Request, AmqpSettlement.Ack);", "base.Settle(reply.Request, AmqpSettlement.Ack);\n"
                + "        if (_held.First is ReplyJob { IsSuspect: true } next)\n            "
                + "base.Settle(next.Request, AmqpSettlement.Ack);");
        yield return new("what comes again is acknowledged without a reply", Channel, "            Pass(reply);\n",
            "            if (reply.IsSuspect)\n                _held.Remove(reply);\n            "
                + "if (reply.IsSuspect)\n                Finish(reply);\n            "
                + "else\n                Pass(reply);\n");
        yield return new("replies of a channel that is gone leave on the next one", Channel,
            "while (_held.First is { } held)", "while (_held.Count > 1 && _held.First is { } held)");
        yield return new("a server ends with its last reply in doubt", Channel, "if (IsOpen && _inDoubt > 0)",
            "if (IsOpen && _inDoubt < 0)");
        yield return new("a server ends with replies that it holds", Channel,
            "(IsOpen && (_owed > 0 || _ledger.Count > 0))", "(IsOpen && _ledger.Count > 0)");
    }

    private static IEnumerable<Mutant> Calling()
    {
        yield return new("a call waits for replies to a queue that is gone", "Rpc/ReplyChannel.cs",
            "calls.LoseReplies(AmqpReplyAddress.Exclusive, end);", "");
        yield return new("an old reply queue is used on a new link", "Rpc/ReplyChannel.cs",
            "_isLive = false;\n        _queue = null;", "");
        yield return new(
            "a request that has not left can be answered", "Rpc/PendingCalls.cs", "|| !call.WasPassed)", ")");
        yield return new(
            "a call takes the place of another with its id",
            "Rpc/PendingCalls.cs",
            "if (!_calls.TryAdd(call.CorrelationId, call))\n            return false;",
            "_calls[call.CorrelationId] = call;");
        yield return new(
            "calls do not expire", "Rpc/PendingCalls.cs", "if (call.Deadline <= now)", "if (call.Deadline < 0)");
        yield return new("a call that ends keeps its place", "Rpc/CallJob.cs", "slots.Release(0);", "");
        yield return new("a request that is lost keeps its credit", "Rpc/CallJob.cs",
            "ReleaseCredit(); // nothing of it", "_ = end; // nothing of it");
        yield return new(
            "a fixed queue's calls end with their link",
            "Rpc/CallJob.cs",
            "OutlivesLink => replyTo is AmqpReplyAddress.FixedReplyAddress",
            "OutlivesLink => replyTo is AmqpReplyAddress.OwnedReplyAddress");
        yield return new("replies wait to be acknowledged", "Rpc/ReplyChannel.cs", "NoAck: true, Exclusive: true",
            "NoAck: false, Exclusive: true");
    }
}
