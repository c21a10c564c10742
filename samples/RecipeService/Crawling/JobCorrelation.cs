using System.Text.Json;
using SafeAmqp;

namespace RecipeService.Crawling;

/// <summary>
/// Finds the waiting call that a crawling answer belongs to: its id is the <c>job_id</c> in the body.
/// </summary>
internal static class JobCorrelation
{
    /// <summary>
    /// The job's id when the answer is its last one; null for progress, and for what is no answer at all.
    /// </summary>
    public static string? Of(AmqpMessage message)
    {
        try
        {
            return Read(message.Body.Span) is ({ } job, { } status) && CrawlingWords.IsFinal(status) ? job : null;
        }
        catch (JsonException)
        {
            return null; // the answer to no request: it goes where unmatched messages go, and is rejected there
        }
    }

    // Skims the outermost object: a result may carry megabytes of data, and the whole answer is read once more by its
    // receiver.
    private static (string? Job, string? Status) Read(ReadOnlySpan<byte> body)
    {
        var (job, status) = ((string?)null, (string?)null);
        var reader = new Utf8JsonReader(body);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            return default;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var (isJob, isStatus) = (reader.ValueTextEquals("job_id"u8), reader.ValueTextEquals("status"u8));
            reader.Read();
            if (reader.TokenType == JsonTokenType.String)
            {
                job = isJob ? reader.GetString() : job;
                status = isStatus ? reader.GetString() : status;
            }

            reader.Skip();
        }

        return (job, status);
    }
}
