using System.Globalization;
using System.Text;
using System.Text.Json;
using ImageServer.Protocol;
using ImageServer.Server.State;
using SafeAmqp;

namespace ImageServer.Server.Calls;

/// <summary>A request to the workers came to nothing. The message is for the client.</summary>
internal sealed class WorkerException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A picture that a worker sent, in its own format.</summary>
internal sealed record WorkerPicture(ReadOnlyMemory<byte> Bytes, string Title);

/// <summary>
/// Asks the workers: calls over AMQP. A call whose client has left is given up at once, its late reply is dropped, and
/// the workers are told, so that the one that works on it stops and none begins it.
/// </summary>
internal sealed class WorkerCalls(
    IAmqpClient amqp, StateOwner owner, ImageSettings settings, ServerMetrics metrics, TimeProvider time,
        ILogger<WorkerCalls> log)
{
    // A reconnect after a short cut takes a few hundred milliseconds: worth a look more often than that.
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan TellWithin = TimeSpan.FromSeconds(2);

    private readonly AmqpCallOptions _options = new() { Timeout = settings.AnswerTimeout };

    /// <summary>Has a prompt drawn.</summary>
    /// <exception cref="WorkerException">It was not.</exception>
    /// <exception cref="OperationCanceledException">The client has left.</exception>
    public Task<WorkerPicture> GenerateAsync(int clientId, Source.Generate source, CancellationToken clientLeft)
        => InLineAsync(clientId, source, async () =>
        {
            var request = new GenerateRequest(source.Prompt, settings.GenerationModel, source.Seed);
            byte[] body = JsonSerializer.SerializeToUtf8Bytes(request, WorkerJson.Default.GenerateRequest);
            var reply = await AskAsync(WorkerMessages.GenerateQueue(settings.NamePrefix), body, clientLeft);
            return new WorkerPicture(reply.Body, source.Title);
        }, clientLeft);

    /// <summary>Has a picture searched for.</summary>
    /// <inheritdoc cref="GenerateAsync"/>
    public Task<WorkerPicture> SearchAsync(int clientId, Source.Search source, CancellationToken clientLeft)
        => InLineAsync(clientId, source, async () =>
        {
            byte[] body = JsonSerializer.SerializeToUtf8Bytes(
                new SearchRequest(source.Words, source.Number), WorkerJson.Default.SearchRequest);
            var reply = await AskAsync(WorkerMessages.SearchQueue(settings.NamePrefix), body, clientLeft);
            return reply.Body.IsEmpty
                ? throw new WorkerException("No images found")
                : new WorkerPicture(
                    reply.Body, reply.Headers?.GetValueOrDefault(WorkerMessages.TitleHeader) as string ?? source.Title);
        }, clientLeft);

    private async Task<WorkerPicture> InLineAsync(
        int clientId, Source source, Func<Task<WorkerPicture>> ask, CancellationToken clientLeft)
    {
        clientLeft.ThrowIfCancellationRequested();
        if (await owner.JoinLineAsync(clientId, source) is not { } ticket)
            throw new WorkerException("Too many are waiting, try again later");
        long start = time.GetTimestamp();
        try
        {
            await UntilBrokerIsThereAsync(clientLeft);
            return await ask();
        }
        finally
        {
            owner.LeaveLine(ticket);
            metrics.Waited(source is Source.Generate ? "gen" : "search", time.GetElapsedTime(start));
        }
    }

    private async Task<AmqpMessage> AskAsync(string queue, byte[] body, CancellationToken clientLeft)
    {
        string id = Guid.NewGuid().ToString("N");
        var request = AmqpMessage.ToQueue(queue, body) with
        {
            MessageId = id,
            ContentType = "application/json",
            Persistent = false,
        };
        try
        {
            var reply = (await amqp.CallAsync(request, _options, clientLeft)).Message;
            return reply.Headers?.GetValueOrDefault(WorkerMessages.ErrorHeader) is string refusal
                ? throw new WorkerException(refusal) : reply;
        }
        catch (OperationCanceledException) when (clientLeft.IsCancellationRequested)
        {
            await TellWorkersAsync(id);
            throw;
        }
        catch (AmqpException error)
        {
            throw new WorkerException(InWords(error), error);
        }
    }

    private async Task TellWorkersAsync(string id)
    {
        using var limit = new CancellationTokenSource(TellWithin, time);
        try
        {
            string exchange = WorkerMessages.CancelExchange(settings.NamePrefix);
            var message = AmqpMessage.Broadcast(exchange, Encoding.ASCII.GetBytes(id));
            await amqp.PublishAsync(message with { Persistent = false }, limit.Token);
            log.GivenUp(id);
        }
        catch (Exception error) when (error is AmqpException or OperationCanceledException or ObjectDisposedException)
        {
            log.GivenUpUntold(id, error); // its deadline ends the work
        }
    }

    // The client would keep the request until its deadline. A person at a screen should learn sooner what is
    // known now.
    private async Task UntilBrokerIsThereAsync(CancellationToken clientLeft)
    {
        long since = time.GetTimestamp();
        while (amqp.Status.Links is not [{ State: AmqpLinkState.Open, BlockedReason: null }, ..])
        {
            if (time.GetElapsedTime(since) >= settings.BrokerGrace)
                throw new WorkerException("The picture service is away, try again later");
            await Task.Delay(LookEvery, time, clientLeft);
        }
    }

    private string InWords(AmqpException error) => error switch
    {
        AmqpRemoteException => "The picture could not be made",
        AmqpNackedException => "Too many are waiting, try again later",
        AmqpReturnedException or AmqpNotSentException => "The picture service is away, try again later",
        AmqpNoReplyException { InnerException: TimeoutException }
            => string.Create(
                CultureInfo.InvariantCulture, $"No picture within {settings.AnswerTimeout.TotalSeconds:0.#} seconds"),
        _ => "The picture service was lost on the way, try again",
    };
}
