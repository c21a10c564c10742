using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using RecipeService.Http;
using SafeAmqp;

namespace RecipeService.Crawling;

/// <summary>
/// Gives work to the crawler: a work queue for requests and a fixed queue for answers, matched by the <c>job_id</c> in
/// the body. Answers that no request waits for, progress and the results of asynchronous jobs, go to the board.
/// </summary>
internal sealed class CrawlingService
{
    private readonly IAmqpClient _amqp;
    private readonly RecipeSettings _settings;
    private readonly BrokerGate _gate;
    private readonly JobBoard _jobs;
    private readonly TimeProvider _time;
    private readonly ILogger<CrawlingService> _log;
    private readonly AmqpCallOptions _options;

    public CrawlingService(
        IAmqpClient amqp, RecipeSettings settings, BrokerGate gate, JobBoard jobs, TimeProvider time,
        ILogger<CrawlingService> log)
    {
        (_amqp, _settings, _gate, _jobs, _time, _log) = (amqp, settings, gate, jobs, time, log);
        _options = new AmqpCallOptions
        {
            Timeout = settings.CrawlingTimeout,
            ReplyTo = AmqpReplyAddress.Queue(settings.CrawlingResponseQueue, JobCorrelation.Of, TakeUnmatchedAsync),
        };
    }

    /// <summary>Asks for a sign of life and waits for it.</summary>
    public async Task<(CrawlingAnswer Answer, TimeSpan Elapsed)> PingAsync(CancellationToken cancellationToken)
    {
        await _gate.PassAsync(cancellationToken);
        string id = NewId();
        var content = new PingMessage(
            CrawlingWords.Ping, _time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture), id);
        var (answer, elapsed) = await CallAsync(
            id, content, CrawlingMessagesJson.Default.PingMessage, CrawlingWords.Ping, cancellationToken);
        return (Done(answer), elapsed);
    }

    /// <summary>Crawls and waits for the result.</summary>
    public async Task<CrawlingAnswer> CrawlAsync(string url, int depth, CancellationToken cancellationToken)
    {
        await _gate.PassAsync(cancellationToken);
        string id = NewId();
        var content = new CrawlMessage(CrawlingWords.CrawlUrl, url, depth, id);
        _jobs.Begin(id, url);
        try
        {
            var (answer, _) = await CallAsync(
                id, content, CrawlingMessagesJson.Default.CrawlMessage, CrawlingWords.CrawlUrl, cancellationToken);
            _jobs.Record(answer);
            return Done(answer);
        }
        catch (Exception error)
        {
            NoteFailure(id, error);
            throw;
        }
    }

    /// <summary>Begins a crawl and returns its job's id once the broker has the request.</summary>
    public async Task<string> BeginCrawlAsync(string url, int depth, CancellationToken cancellationToken)
    {
        await _gate.PassAsync(cancellationToken);
        string id = NewId();
        var content = new CrawlMessage(CrawlingWords.CrawlUrl, url, depth, id);
        _jobs.Begin(id, url);
        try
        {
            await _amqp.PublishAsync(
                ToMessage(id, content, CrawlingMessagesJson.Default.CrawlMessage), cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _jobs.Forget(id); // a publish that is cancelled was not sent; a call that is cancelled may have been
            throw;
        }
        catch (Exception error)
        {
            NoteFailure(id, error);
            throw;
        }

        _log.CrawlingRequestPublished(CrawlingWords.CrawlUrl, id);
        return id;
    }

    // A job that certainly did not begin is forgotten. Another stays, for its answer may come yet, and the caller is
    // told its id.
    private void NoteFailure(string id, Exception error)
    {
        if (error is AmqpException { IsSafeToRepeat: true })
            _jobs.Forget(id);
        else
            error.Data[Problem.JobId] = id;
    }

    private async Task<(CrawlingAnswer Answer, TimeSpan Elapsed)> CallAsync<T>(
        string id, T content, JsonTypeInfo<T> type, string action, CancellationToken cancellationToken)
    {
        var call = _amqp.CallAsync(ToMessage(id, content, type), _options, cancellationToken);
        _log.CrawlingRequestPublished(action, id);
        var reply = await call;
        var answer = Read(reply.Body) ?? throw WorkerException.Unreadable();
        _log.CrawlingResponseReceived(answer.JobId, answer.Status);
        return (answer, reply.Elapsed);
    }

    private static CrawlingAnswer Done(CrawlingAnswer answer) => answer.Status == CrawlingWords.Done
        ? answer
        : throw WorkerException.Failed(answer.Error?.Message ?? "The crawler gave no reason.");

    // Runs on one of the client's workers, several at a time perhaps; the board has its own lock.
    private ValueTask<AmqpSettlement> TakeUnmatchedAsync(AmqpDelivery delivery, CancellationToken deliveryLost)
    {
        if (Read(delivery.Body) is not { } answer)
        {
            _log.CrawlingResponseRejected(delivery.Body.Length);
            return ValueTask.FromResult(AmqpSettlement.Reject);
        }

        _log.CrawlingResponseReceived(answer.JobId, answer.Status);
        _jobs.Record(answer);
        return ValueTask.FromResult(AmqpSettlement.Ack);
    }

    private AmqpMessage ToMessage<T>(string id, T content, JsonTypeInfo<T> type)
        => AmqpMessage.ToQueue(_settings.CrawlingRequestQueue, JsonSerializer.SerializeToUtf8Bytes(content, type)) with
        {
            CorrelationId = id,
            ContentType = "application/json",
        };

    private static CrawlingAnswer? Read(ReadOnlyMemory<byte> body)
    {
        try
        {
            return JsonSerializer.Deserialize(body.Span, CrawlingMessagesJson.Default.CrawlingAnswer);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // Knowing a job's id is enough to read the job: 122 random bits.
    private static string NewId() => Guid.NewGuid().ToString();
}
