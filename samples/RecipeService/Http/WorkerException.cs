namespace RecipeService.Http;

/// <summary>The worker answered, but not with what was asked for.</summary>
internal sealed class WorkerException : Exception
{
    private WorkerException(int status, string message, Exception? inner = null)
        : base(message, inner) => Status = status;

    /// <summary>The HTTP status that says whose fault it is.</summary>
    public int Status { get; }

    /// <summary>
    /// It understood the request and could do nothing with its content: 422, the sender may change it.
    /// </summary>
    public static WorkerException Refused(string reason) => new(StatusCodes.Status422UnprocessableEntity, reason);

    /// <summary>It tried and failed, as with a page that cannot be fetched: 502.</summary>
    public static WorkerException Failed(string reason) => new(StatusCodes.Status502BadGateway, reason);

    /// <summary>Its answer is not one: 502.</summary>
    public static WorkerException Unreadable(Exception? inner = null)
        => new(StatusCodes.Status502BadGateway, "The worker's answer is not of the agreed form.", inner);
}
